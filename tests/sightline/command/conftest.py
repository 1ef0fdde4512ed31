"""Running the command."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from sightline.command.app import create_app
from tests.support.server import ROOT, Server, clean_environment


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run of the command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def documents(self) -> list[Any]:
        """What `--json` printed: one document per line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def sightline(server: Server) -> Run:
    """Run the command in this process, against the platform of the session."""

    def run(*arguments: object, stdin: str | None = None, url: str = server.url, token: str = "") -> Ran:
        environment = {"SIGHTLINE_URL": url, "SIGHTLINE_TOKEN": token}
        result = CliRunner().invoke(create_app(), [str(one) for one in arguments], input=stdin, env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception  # a person would see a traceback
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def process() -> Run:
    """Run the command as a process of its own."""

    def run(*arguments: object, stdin: str | None = None, **environment: str) -> Ran:
        result = subprocess.run(
            [sys.executable, "-m", "sightline", *map(str, arguments)],
            cwd=ROOT,
            env=clean_environment(environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        return Ran(result.returncode, result.stdout, result.stderr)

    return run
