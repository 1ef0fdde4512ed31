"""What cannot work ends every service: a status that is not 0, and one line that says what and where, and no secret."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit, urlunsplit

import pytest

from infra.local.processes import free_ports
from sightline.command.platform import Role
from tests.support.old_servers import old_mongodb, old_rabbitmq
from tests.support.server import ROOT, clean_environment

pytestmark = pytest.mark.timeout(180)  # fifty starts on a machine that may have other work

SECRET = "geheim-und-lang"
# Root may write where the mode says no; without its capabilities it may not.
UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()


class Cases:
    """What is started, by name, and what its line must match."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settings: dict[str, dict[str, str]] = {}
        self.expected: dict[str, str] = {}

    def add(self, name: str, expected: str, **settings: str) -> None:
        """A start with `settings` above those that would work, embedded."""
        self._settings[name] = settings
        self.expected[name] = expected

    def of(self, service: str) -> dict[str, dict[str, Any]]:
        """What is started of a service, with a folder of its own for each start."""
        working = {"token_pepper": SECRET, "port": "0"}
        given = {}
        for name, settings in self._settings.items():
            every = {**working, "data": str(self._folder / service / name), **settings}
            variables = {f"SIGHTLINE_{key.upper()}": value for key, value in every.items()}
            given[name] = {"arguments": [], "environment": variables}
        return given


@pytest.fixture(scope="module")
def cases(amqp_server_url: str, mongodb_server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    folder = tmp_path_factory.mktemp("refusals")
    made = Cases(folder)
    closed, closed_too = free_ports(2)
    shut = folder / "shut"
    shut.mkdir(mode=0o500)
    unreadable = folder / "secret"
    unreadable.write_text(f"amqp://x:{SECRET}@127.0.0.1/")
    unreadable.chmod(0)
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        older_bus, older_store = stack.enter_context(old_rabbitmq()), stack.enter_context(old_mongodb())
        made.add("unknown setting", "SIGHTLINE_LANE is not a setting", lane="default")
        made.add("port in use", f"127.0.0.1 port {taken}: Address already in use", port=str(taken))
        made.add("folder that may not be written", f"{shut} cannot be written", data=str(shut / "data"))
        made.add("secret that may not be read", "SIGHTLINE_BUS_FILE: cannot read that file", bus_file=str(unreadable))
        made.add(
            "wrong secret of the bus",
            _where(amqp_server_url) + " refuses this user or password",
            bus=_with_secret(amqp_server_url),
        )
        made.add(
            "wrong secret of the store",
            _where(mongodb_server_url) + " refuses the user or the password",
            store=_with_secret(mongodb_server_url),
        )
        made.add(
            "bus away",
            f"RabbitMQ at 127.0.0.1:{closed} cannot be reached",
            bus=f"amqp://x:{SECRET}@127.0.0.1:{closed}/",
        )
        made.add(
            "store away",
            f"MongoDB cannot be reached: 127.0.0.1:{closed_too}",
            store=f"mongodb://x:{SECRET}@127.0.0.1:{closed_too}/sightline?replicaSet=rs0",
        )
        made.add(
            "bus too old",
            f"RabbitMQ 3.9 is too old: 3.10 .* at 127.0.0.1:{older_bus}",
            bus=f"amqp://x:{SECRET}@127.0.0.1:{older_bus}/",
        )
        made.add(
            "store too old",
            f"MongoDB 5.0.31 at 127.0.0.1:{older_store} is too old: at least 6.0",
            store=f"mongodb://127.0.0.1:{older_store}/sightline?replicaSet=rs0",
        )
        yield made


@pytest.fixture(scope="module")
def amqp_server_url(amqp: Any) -> str:
    url: str = amqp.url
    return url


@pytest.fixture(scope="module")
def mongodb_server_url(mongodb: Any) -> str:
    url: str = mongodb.url
    return url


def _where(url: str) -> str:
    return re.escape(f"at {urlsplit(url).hostname}:{urlsplit(url).port}")


def _with_secret(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{SECRET}@{parts.netloc.rpartition('@')[2]}"))


@pytest.fixture(scope="module")
def ended(cases: Cases) -> dict[str, dict[str, tuple[int, str]]]:
    """Status and standard error of each case, by service; all are started at once, since some wait for seconds."""
    started = {
        service: subprocess.Popen(
            [*UNPRIVILEGED, sys.executable, "-m", "tests.support.starts"],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for service in get_args(Role)
    }
    for service, process in started.items():
        assert process.stdin is not None
        json.dump({"service": service, "cases": cases.of(service)}, process.stdin)
        process.stdin.close()
        process.stdin = None
    return {service: json.loads(process.communicate(timeout=150)[0]) for service, process in started.items()}


@pytest.mark.parametrize("service", get_args(Role))
def test_a_service_that_cannot_run_says_why_in_one_line_without_a_secret(
    service: str, cases: Cases, ended: dict[str, dict[str, tuple[int, str]]]
) -> None:
    for name, expected in cases.expected.items():
        status, said = ended[service][name]
        assert status > 0, (name, said)
        *logged, line = said.splitlines()
        assert re.search(rf"^sightline: .*{expected}", line), (name, said)
        assert SECRET not in said, name
        for each in logged:  # what it had begun to do before, as events; nothing of an error
            assert json.loads(each)["level"] in {"info", "warning"}, (name, said)
