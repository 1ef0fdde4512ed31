"""The Docker engine of the tests: whether there is one, which images it has, what killed runs left in it."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from infra.local import folders
from infra.local.errors import ServerMissingError

OWNER_LABEL = "sightline.tests.owner"
OFFICIAL_RABBITMQ = "rabbitmq:4.3"
OFFICIAL_MONGODB = "mongo:8.0"
_OFFICIAL_HAPROXY = "haproxy:3.0"
_OFFICIAL_PROMETHEUS = "prom/prometheus:v3.5.0"
_OFFLINE_RABBITMQ = tuple(f"sightline-offline/rabbitmq:{version}" for version in ("4.3", "4.0", "3.10"))
_OFFLINE_MONGODB = ("sightline-offline/mongodb:6.0",)
_USUAL_ADDRESS = "unix:///var/run/docker.sock"
_PULL_S = 600


def prepare() -> None:
    """Set what testcontainers reads when it is imported; call this before."""
    # Its reaper is an image of a registry that need not be reachable. The session and `sweep` do its work.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    if is_local():
        # Published ports are on this machine's loopback, even where a file such as /.dockerenv suggests otherwise.
        os.environ["TESTCONTAINERS_CONNECTION_MODE"] = "docker_host"
        os.environ["TESTCONTAINERS_HOST_OVERRIDE"] = "127.0.0.1"


def is_local() -> bool:
    """Whether the engine publishes ports on this machine's loopback, as far as we were told."""
    told = os.environ.get("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
    return os.environ.get("DOCKER_HOST", "unix:").startswith("unix:") and told == "127.0.0.1"


def is_reachable() -> bool:
    """Whether an engine answers."""
    address = urlsplit(os.environ.get("DOCKER_HOST", _USUAL_ADDRESS))
    if address.scheme == "unix" and not _listens(address.path):
        return False
    try:
        with client(timeout_s=10) as opened:
            return bool(opened.ping())
    except DockerException:
        return False


def _listens(path: str) -> bool:
    """Whether somebody listens on a Unix socket; docker's own client would leave its socket open where nobody does."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(path) == 0


def owner() -> str:
    """The value of the label by which a later run knows whether this one is gone."""
    return json.dumps([socket.gethostname(), *folders.identity(os.getpid())])


def sweep() -> None:
    """Remove the containers of runs of this machine that are gone."""
    with client(timeout_s=60) as opened:
        for container in opened.containers.list(all=True, filters={"label": OWNER_LABEL}):
            host, pid, started = json.loads(container.labels[OWNER_LABEL])
            if host == socket.gethostname() and folders.identity(pid) != (pid, started):
                with suppress(NotFound, APIError):
                    container.remove(force=True, v=True)


def rabbitmq_image() -> str:
    """The image named by SIGHTLINE_TEST_RABBITMQ_IMAGE, or the best one that can be had."""
    return _choose("SIGHTLINE_TEST_RABBITMQ_IMAGE", OFFICIAL_RABBITMQ, _OFFLINE_RABBITMQ)


def mongodb_image() -> str:
    """The image named by SIGHTLINE_TEST_MONGODB_IMAGE, or the best one that can be had."""
    return _choose("SIGHTLINE_TEST_MONGODB_IMAGE", OFFICIAL_MONGODB, _OFFLINE_MONGODB)


def haproxy_image() -> str:
    """The image named by SIGHTLINE_TEST_HAPROXY_IMAGE, or the best one that can be had."""
    return _choose("SIGHTLINE_TEST_HAPROXY_IMAGE", _OFFICIAL_HAPROXY, ("sightline-offline/haproxy:3.0",))


def prometheus_image() -> str:
    """The image named by SIGHTLINE_TEST_PROMETHEUS_IMAGE, or the best one that can be had."""
    return _choose("SIGHTLINE_TEST_PROMETHEUS_IMAGE", _OFFICIAL_PROMETHEUS, ("sightline-offline/prometheus:2.53",))


def _choose(setting: str, official: str, offline: Sequence[str]) -> str:
    named = os.environ.get(setting)
    with client(timeout_s=_PULL_S) as opened:
        for image in (named,) if named else (official, *offline):
            with suppress(ImageNotFound):
                opened.images.get(image)
                return image
        try:
            opened.images.pull(named or official)
        except DockerException as error:
            raise ServerMissingError(
                f"the Docker engine has no image {named or official} and cannot pull it ({error}): build offline "
                "images with `infra/images/offline.sh`, or set SIGHTLINE_TEST_SERVERS=local"
            ) from error
    return named or official


@contextmanager
def client(*, timeout_s: int) -> Iterator[docker.DockerClient]:
    """A client of the engine, closed afterwards."""
    opened = docker.from_env(timeout=timeout_s)
    try:
        yield opened
    finally:
        opened.close()
