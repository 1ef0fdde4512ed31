"""The two drivers, and every difference between them.

motor runs PyMongo's blocking client in threads; PyMongo's own asynchronous client is its successor (see
docs/adr/0010-motor-and-its-successor.md). Their collections and cursors have the same methods; making a client,
closing it, aggregating and cancelling are what differs.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, cast

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.topology_description import TopologyDescription

from services.kit.errors import ConfigError

DriverName = Literal["motor", "pymongo"]
Row = dict[str, Any]
"""A document as it lies in MongoDB."""
Rows = AsyncCollection[Row]
Options = Mapping[str, Any]

POOL = 50
"""Connections of one process to one server, and with motor the threads that wait for answers on them."""


class Client(Protocol):
    """A client of one database, by either driver; made inside the event loop that uses it."""

    def rows(self, name: str) -> Rows:
        """Return a collection. Of its methods only those are used that are the same in both drivers."""
        ...

    async def command(self, command: Mapping[str, Any], database: str | None = None) -> Row:
        """Run a command on the database, or on another one."""
        ...

    async def aggregate(self, name: str, pipeline: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Return everything that the pipeline gives."""
        ...

    def server_errors(self) -> list[str]:
        """Say why each server that cannot be reached cannot."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def connect(driver: DriverName, url: str, database: str, options: Options) -> Client:
    """Return a client that connects when it is used first. `options` stand above those in the address."""
    return MotorClient(url, database, options) if driver == "motor" else PymongoClient(url, database, options)


class MotorClient:
    """A client by motor.

    Cancelling a call leaves its thread at work: the connection is kept, and the call may still take effect.
    """

    def __init__(self, url: str, database: str, options: Options) -> None:
        # Read when motor is imported; its own number (five per processor) lets a frozen server hold every thread.
        os.environ.setdefault("MOTOR_MAX_WORKERS", str(POOL))
        try:
            from motor.motor_asyncio import AsyncIOMotorClient
        except ImportError as error:
            raise ConfigError(
                "motor is not installed: install the extra in Sightline's checkout: pip install -e '.[mongodb]'"
            ) from error
        self._client = AsyncIOMotorClient[Row](url, io_loop=asyncio.get_running_loop(), **options)
        self._database = self._client[database]

    def rows(self, name: str) -> Rows:
        """See `Client`."""
        return cast("Rows", self._database[name])

    async def command(self, command: Mapping[str, Any], database: str | None = None) -> Row:
        """See `Client`."""
        return await (self._client[database] if database else self._database).command(dict(command))

    async def aggregate(self, name: str, pipeline: Sequence[Mapping[str, Any]]) -> list[Row]:
        """See `Client`."""
        return await self._database[name].aggregate(list(pipeline)).to_list()

    def server_errors(self) -> list[str]:
        """See `Client`."""
        return _errors_of(cast("TopologyDescription", self._client.topology_description))

    async def close(self) -> None:
        """See `Client`."""
        await asyncio.to_thread(self._client.close)


class PymongoClient:
    """A client by PyMongo's own asynchronous API.

    Cancelling a call closes its connection: `connection.Connection` shields calls from that.
    """

    def __init__(self, url: str, database: str, options: Options) -> None:
        self._client = AsyncMongoClient[Row](url, **options)
        self._database = self._client[database]

    def rows(self, name: str) -> Rows:
        """See `Client`."""
        return self._database[name]

    async def command(self, command: Mapping[str, Any], database: str | None = None) -> Row:
        """See `Client`."""
        return await (self._client[database] if database else self._database).command(dict(command))

    async def aggregate(self, name: str, pipeline: Sequence[Mapping[str, Any]]) -> list[Row]:
        """See `Client`."""
        cursor = await self._database[name].aggregate(list(pipeline))
        return await cursor.to_list()

    def server_errors(self) -> list[str]:
        """See `Client`."""
        return _errors_of(self._client.topology_description)

    async def close(self) -> None:
        """See `Client`."""
        await self._client.close()


def _errors_of(topology: TopologyDescription) -> list[str]:
    return [str(server.error) for server in topology.server_descriptions().values() if server.error]
