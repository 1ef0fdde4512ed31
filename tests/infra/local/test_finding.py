"""Where the tests look for servers, and what they say where there is none."""

import subprocess
import sys

import pytest

from tests.support.server import ROOT, clean_environment


def _ask(settings: dict[str, str]) -> str:
    """What asking for the RabbitMQ in a fresh session ends with."""
    program = "from tests.support.servers import amqp_server; amqp_server()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=clean_environment(settings),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SIGHTLINE_TEST_SERVERS": "cloud"}, "it may be any, docker, local"),
        (
            {"SIGHTLINE_TEST_SERVERS": "docker", "DOCKER_HOST": "unix:///nowhere"},
            "infra/images/engine.sh may start one",
        ),
        ({"SIGHTLINE_TEST_AMQP_URL": "amqp://user:secret@127.0.0.1:9/"}, "no RabbitMQ answers at 127.0.0.1"),
    ],
)
def test_a_server_that_cannot_be_had_says_what_to_do(settings: dict[str, str], message: str) -> None:
    said = _ask(settings)
    assert said.startswith("infra.local.errors.ServerMissingError")
    assert message in said
    assert "secret" not in said
