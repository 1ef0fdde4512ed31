"""The real RabbitMQ and the real MongoDB of a test session, each started when the first test asks for it.

Where they come from, in this order: an address given (SIGHTLINE_TEST_AMQP_URL, SIGHTLINE_TEST_MONGODB_URL), a Docker
engine that has or gets the images, processes of this user. SIGHTLINE_TEST_SERVERS=docker or =local asks for one of the
last two only. A server that cannot be had fails the tests that need it, with what to install; no test is skipped for
it.

One server serves the whole session, so a test works in a virtual host or a database of its own. A test that stops,
kills or freezes a server gives it back running.
"""

import atexit
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import Protocol

from infra.local import folders
from infra.local.errors import ServerMissingError
from infra.local.mongodb import MongoDB
from infra.local.rabbitmq import RabbitMQ
from tests.support import engine
from tests.support.given_servers import GivenAmqp, GivenMongo

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The limit of the session's RabbitMQ, old or new: what 4.x sets by itself."""
AMQP_CONFIG = {"max_message_size": str(MAX_MESSAGE_BYTES)}
_SOURCES = ("any", "docker", "local")


class Switchable(Protocol):
    """A server that a test may take away for a while; what it stored stays, and so does its address."""

    def start(self) -> None:
        """Start it again and return when it serves."""

    def stop(self) -> None:
        """Shut it down in good order."""

    def kill(self) -> None:
        """End it as kill -9 does."""

    def pause(self) -> None:
        """Freeze it: its sockets stay open and nothing answers."""

    def resume(self) -> None:
        """Undo `pause`."""


class AmqpServer(Switchable, Protocol):
    """A RabbitMQ. `url` is its administrator's address, with the virtual host `/`."""

    @property
    def url(self) -> str: ...

    @property
    def version(self) -> str: ...

    def vhost(self, name: str) -> str:
        """Make a fresh virtual host, named after `name`, and return the administrator's address in it."""

    def remove_vhost(self, url: str) -> None:
        """Remove the virtual host of an address, with everything in it."""

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` against it and return what it prints."""

    def define(self, definitions: Mapping[str, object]) -> None:
        """Import a definitions document: virtual hosts, users, permissions."""


class MongoServer(Switchable, Protocol):
    """A MongoDB replica set of one with authentication. `url` is its administrator's address."""

    @property
    def url(self) -> str: ...

    def database(self, name: str) -> str:
        """The administrator's address with a fresh database, named after `name`."""

    def remove_database(self, url: str) -> None:
        """Remove the database of an address."""


@cache
def amqp_server() -> AmqpServer:
    """The session's RabbitMQ, running.

    Raises:
        ServerMissingError: there is none to be had; the message says what to install.
    """
    if url := os.environ.get("SIGHTLINE_TEST_AMQP_URL"):
        return GivenAmqp(url)
    if image := _image(engine.rabbitmq_image):
        from tests.support.containers import AmqpContainer

        return _endings().enter_context(closing(AmqpContainer(image, config=AMQP_CONFIG)))
    server = RabbitMQ(session_folder("rabbitmq"), config=AMQP_CONFIG)
    _endings().callback(server.close)
    server.start()
    return server


@cache
def mongodb_server() -> MongoServer:
    """The session's MongoDB, running and primary.

    Raises:
        ServerMissingError: there is none to be had; the message says what to install.
    """
    if url := os.environ.get("SIGHTLINE_TEST_MONGODB_URL"):
        return GivenMongo(url)
    if image := _image(engine.mongodb_image):
        from tests.support.containers import MongoContainer

        return _endings().enter_context(closing(MongoContainer(image)))
    server = MongoDB(session_folder("mongodb"))
    _endings().callback(server.close)
    server.start()
    return server


def close_servers() -> None:
    """End the session's servers and remove what they kept; asked again, they would start anew."""
    _endings().close()
    amqp_server.cache_clear()
    mongodb_server.cache_clear()


@cache
def _endings() -> ExitStack:
    """What ends the servers, at the latest when the interpreter ends."""
    folders.sweep()
    atexit.register(close_servers)
    return ExitStack()


def session_folder(kind: str) -> Path:
    """A folder that is removed, with every process started for it, at the end of the session."""
    endings = _endings()
    folder = folders.make_folder(kind)
    endings.callback(folders.remove, folder)
    return folder


def _image(choose: Callable[[], str]) -> str | None:
    """The image of a server, None where it is to be a process: an engine without images is none, unless asked for."""
    if not _uses_docker():
        return None
    try:
        return choose()
    except ServerMissingError:
        if os.environ.get("SIGHTLINE_TEST_SERVERS") == "docker":
            raise
        return None


@cache
def _uses_docker() -> bool:
    chosen = os.environ.get("SIGHTLINE_TEST_SERVERS", "any")
    if chosen not in _SOURCES:
        raise ServerMissingError(f"SIGHTLINE_TEST_SERVERS is {chosen!r}; it may be {', '.join(_SOURCES)}")
    if chosen == "local":
        return False
    found = engine.is_reachable()
    if chosen == "docker" and not found:
        raise ServerMissingError(
            "SIGHTLINE_TEST_SERVERS asks for docker, but no Docker engine answers; infra/images/engine.sh may start one"
        )
    if found:
        engine.prepare()
        engine.sweep()
    return found
