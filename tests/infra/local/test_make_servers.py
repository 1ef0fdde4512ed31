"""`make servers`: addresses that work, and nothing left behind."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from infra.local import mongodb, rabbitmq
from infra.local.errors import ServerMissingError
from tests.support.server import ROOT, clean_environment


def _missing() -> str:
    """What this machine lacks for plain processes, or nothing."""
    try:
        rabbitmq.find_programs()
        mongodb.find_program()
    except ServerMissingError as error:
        return str(error)
    return ""


def test_both_serve_until_asked_to_end_and_leave_nothing(tmp_path: Path) -> None:
    environment = clean_environment({"TMPDIR": str(tmp_path)})
    command = [sys.executable, "-m", "infra.local"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as servers:
        assert servers.stdout is not None
        said, addresses = "", list[SplitResult]()
        for line in servers.stdout:
            said += line
            if line.startswith("Ctrl-C"):
                addresses = [urlsplit(url) for url in re.findall(r"(?:amqp|mongodb)://\S+(?=')", said)]
                for address in addresses:
                    socket.create_connection((address.hostname, address.port), 10).close()
                servers.send_signal(signal.SIGINT)
        _, errors = servers.communicate()
    if missing := _missing():
        assert (servers.returncode, errors.strip()) == (1, missing)
        return
    assert servers.returncode == 0, errors
    assert "sightline up --bus 'amqp://" in said
    assert [address.scheme for address in addresses] == ["amqp", "mongodb"]
    assert list(next(tmp_path.iterdir()).iterdir()) == []
    for address in addresses:
        with socket.socket() as attempt:
            assert attempt.connect_ex((address.hostname, address.port)) != 0
