"""infra/compose.yaml brought up under a name of its own, with secrets of its own, and taken away whatever happens.

The project's name holds the process that brought it up, so that a later run takes away what a killed one left.
"""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container

from infra.compose.secret_files import SERVICES, make_secrets
from infra.local import folders
from infra.local.errors import ServerFailedError, ServerMissingError
from infra.local.processes import free_ports
from tests.support import engine
from tests.support.server import ROOT

_COMMAND = str(ROOT / "infra" / "images" / "compose.sh")
_FILE = str(ROOT / "infra" / "compose.yaml")
_PROJECT = "com.docker.compose.project"
_PREFIX = "sightline-test"
_OURS = re.compile(rf"{_PREFIX}-(\d+)-(\d+)-[0-9a-f]+")
_UP_S = 300.0


@dataclass(frozen=True, slots=True)
class Stack:
    """The platform as containers. `url` is the one published address."""

    name: str
    url: str
    secrets: Path
    environment: Mapping[str, str]

    @property
    def token(self) -> str:
        """The first token."""
        return (self.secrets / "token").read_text().strip()

    def compose(self, *arguments: str) -> str:
        """Run `docker compose` on it and return what it prints.

        Raises:
            ServerFailedError: it failed; the message holds what it said.
        """
        done = subprocess.run(
            [_COMMAND, "--project-name", self.name, "--file", _FILE, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_UP_S,
            check=False,
        )
        if done.returncode:
            raise ServerFailedError(f"docker compose {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self, *services: str) -> None:
        """Bring it up, or these services of it, and return when they are healthy."""
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout", "240", *services)
        except ServerFailedError as error:
            logs = self.compose("logs", "--no-color", "--tail", "15")
            raise ServerFailedError(f"{error}\n{logs}") from None

    def container(self, service: str) -> dict[str, Any]:
        """What the engine knows of the service's container."""
        with engine.client(timeout_s=60) as client:
            (found,) = client.containers.list(
                all=True, filters={"label": [f"{_PROJECT}={self.name}", f"com.docker.compose.service={service}"]}
            )
            attributes: dict[str, Any] = found.attrs
            return attributes


@contextmanager
def composed(folder: Path, *services: str) -> Iterator[Stack]:
    """Bring the platform up, or these services of it; everything of it is gone afterwards.

    Raises:
        ServerMissingError: an image is missing.
        ServerFailedError: it did not come up.
    """
    sweep()
    (port,) = free_ports(1)
    pid, started = folders.identity(os.getpid())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")},
        **_images(),
        "SIGHTLINE_SECRETS": str(folder / "secrets"),
        "SIGHTLINE_PUBLISH": f"127.0.0.1:{port}",
        "SIGHTLINE_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    make_secrets(folder / "secrets")
    name = f"{_PREFIX}-{pid}-{started}-{secrets.token_hex(3)}"
    stack = Stack(name, f"http://127.0.0.1:{port}", folder / "secrets", environment)
    try:
        stack.up(*services)
        yield stack
    finally:
        remove(name)


def remove(project: str) -> None:
    """Take away every container, network and volume of a project."""
    mine = {"label": f"{_PROJECT}={project}"}
    with engine.client(timeout_s=120) as client:
        for container in client.containers.list(all=True, filters=mine):
            with suppress(NotFound, APIError):
                container.remove(force=True, v=True)
        for network in client.networks.list(filters=mine):
            with suppress(NotFound, APIError):
                network.remove()
        for volume in client.volumes.list(filters=mine):
            with suppress(NotFound, APIError):
                volume.remove(force=True)


def left_of(project: str) -> list[str]:
    """The names of what there is of a project."""
    mine = {"label": f"{_PROJECT}={project}"}
    with engine.client(timeout_s=60) as client:
        found = [
            *client.containers.list(all=True, filters=mine),
            *client.networks.list(filters=mine),
            *client.volumes.list(filters=mine),
        ]
        return [str(each.name) for each in found]


def sweep() -> None:
    """Take away what killed runs left."""
    with engine.client(timeout_s=60) as client:
        every: list[Container] = client.containers.list(all=True, filters={"label": _PROJECT})
        labels = [container.labels for container in every]
        labels += [volume.attrs.get("Labels") or {} for volume in client.volumes.list(filters={"label": _PROJECT})]
    for project in {label[_PROJECT] for label in labels}:
        made = _OURS.fullmatch(project)
        if made is not None and folders.identity(int(made[1])) != (int(made[1]), made[2]):
            remove(project)


def version() -> str:
    """The tag of our images."""
    return os.environ.get("SIGHTLINE_TEST_VERSION", "latest")


def _images() -> dict[str, str]:
    """The images, by the variables of compose.yaml."""
    with engine.client(timeout_s=60) as client:
        for role in SERVICES:
            try:
                client.images.get(f"sightline/{role}:{version()}")
            except ImageNotFound:
                raise ServerMissingError(f"there is no image sightline/{role}:{version()}: run `make images`") from None
    return {
        "SIGHTLINE_VERSION": version(),
        "SIGHTLINE_RABBITMQ_IMAGE": engine.rabbitmq_image(),
        "SIGHTLINE_MONGODB_IMAGE": engine.mongodb_image(),
        "SIGHTLINE_HAPROXY_IMAGE": engine.haproxy_image(),
        "SIGHTLINE_PROMETHEUS_IMAGE": engine.prometheus_image(),
    }


def states(stack: Stack) -> dict[str, str]:
    """The state of every container, by service."""
    lines = stack.compose("ps", "--all", "--format", "json").splitlines()
    return {found["Service"]: found["State"] for found in map(json.loads, lines)}
