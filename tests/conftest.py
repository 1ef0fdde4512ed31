"""What all tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from infra.local.errors import ServerMissingError
from tests.support.servers import AmqpServer, MongoServer, amqp_server, close_servers, mongodb_server

# Tests that import ONNX Runtime themselves report to nobody either; see docs/adr/0009-no-telemetry.md.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# A shell starts what it puts in the background with Ctrl-C ignored, and children inherit that: tests of Ctrl-C would
# wait for ever. With a handler here, children begin as they do in a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)


_Server = TypeVar("_Server")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Say which process runs which test, where there are several."""
    from tests.support.spreading import Spreading

    return Spreading(config, log)


def pytest_sessionfinish() -> None:
    """The session's servers end with it, whoever asked for them and however it ended."""
    close_servers()


def _had(server: Callable[[], _Server]) -> _Server:
    """The server, or one clear failure that says what to install."""
    missing = ""
    try:
        return server()
    except ServerMissingError as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="session")
def amqp() -> AmqpServer:
    """The session's RabbitMQ."""
    return _had(amqp_server)


@pytest.fixture(scope="session")
def mongodb() -> MongoServer:
    """The session's MongoDB."""
    return _had(mongodb_server)


@pytest.fixture
def amqp_url(amqp: AmqpServer) -> Iterator[str]:
    """The administrator's address of a virtual host of this test's own."""
    url = amqp.vhost("test")
    yield url
    amqp.remove_vhost(url)


@pytest.fixture
def mongodb_url(mongodb: MongoServer) -> Iterator[str]:
    """The administrator's address of a database of this test's own."""
    url = mongodb.database("test")
    yield url
    mongodb.remove_database(url)
