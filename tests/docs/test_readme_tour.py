"""The tour in the README, run as written; only the port is a free one. Then once more on RabbitMQ and MongoDB."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh tour( background)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(*, background: bool) -> list[str]:
    """Return the tour's commands, block by block."""
    found = _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [text for mark, text in found if bool(mark) is background]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.timeout(120)
def test_the_tour_in_the_readme_runs_as_written(tmp_path: Path) -> None:
    take_the_tour(tmp_path, [])


@pytest.mark.timeout(180)
def test_the_tour_does_the_same_on_rabbitmq_and_mongodb(tmp_path: Path, amqp_url: str, mongodb_url: str) -> None:
    take_the_tour(tmp_path, ["--bus", amqp_url, "--store", mongodb_url])

    with MongoClient[dict[str, Any]](mongodb_url) as client:
        stored = client.get_default_database()["queries"]
        assert {each["_id"].removeprefix("default/") for each in stored.find()} >= set(
            (tmp_path / "ids.txt").read_text().split()
        )


def take_the_tour(tmp_path: Path, options: list[str]) -> None:
    """Run every command of the tour; the platform is started with `options` beside those in the README."""
    port = free_port()
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SIGHTLINE_PORT": str(port),
        "SIGHTLINE_URL": f"http://127.0.0.1:{port}",
    }
    [start] = blocks(background=True)
    with (tmp_path / "up.log").open("wb") as log:
        platform = subprocess.Popen(
            ["bash", "-c", f"exec {start.strip()} {shlex.join(options)}"],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(port, platform)
        printed = ""
        for block in blocks(background=False):
            script = "set -euo pipefail\n" + block.replace("127.0.0.1:8470", f"127.0.0.1:{port}")
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}\n{(tmp_path / 'up.log').read_text()}"
            printed += done.stdout
        platform.send_signal(signal.SIGTERM)
        assert platform.wait(30) == 0
    finally:
        platform.kill()
        platform.wait()
    assert "YES" in printed
    assert "iq_" in printed
    assert len((tmp_path / "ids.txt").read_text().split()) > 20


def _wait_until_ready(port: int, platform: "subprocess.Popen[bytes]") -> None:
    script = (
        "import sys,time,urllib.request\n"
        "for _ in range(300):\n"
        "    try:\n"
        f"        urllib.request.urlopen('http://127.0.0.1:{port}/readyz', timeout=2); sys.exit(0)\n"
        "    except OSError: time.sleep(0.1)\n"
        "sys.exit(1)\n"
    )
    ready = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert ready.returncode == 0, f"the platform did not become ready, exit status {platform.poll()}"
