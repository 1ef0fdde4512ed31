"""One connection that comes back by itself."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

import aio_pika
import structlog
from aiormq.abc import AbstractChannel, AbstractConnection
from yarl import URL

from services.kit.bus.rabbit.address import Address, place_of
from services.kit.bus.rabbit.capabilities import Capabilities, read_capabilities
from services.kit.bus.rabbit.decoding import tolerate_anything
from services.kit.bus.rabbit.encoding import write_texts_at_once
from services.kit.bus.rabbit.faults import ANSWER_S, connect_error, is_ours, text_of, translated
from services.kit.errors import ConfigError, PlatformError, Unavailable

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0

Use = Literal["publish", "consume"]


class Link:
    """A connection to the broker, and the attempts to have it again once it is lost.

    Of several members of a cluster each attempt takes the next one. The two directions have a connection each: a broker
    that is short of memory or disk stops reading from publishers.
    """

    def __init__(self, address: Address, use: Use) -> None:
        self._address = address
        # At random, or all processes would crowd at the first member.
        self._next = random.randrange(len(address.members))  # noqa: S311 - spreads, hides nothing
        self._member = ""
        self.use = use
        self.problem = "RabbitMQ is not connected yet"
        self.capabilities: Capabilities | None = None
        self._opened: aio_pika.abc.AbstractConnection | None = None
        self._connection: AbstractConnection | None = None
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and stay connected from then on.

        Raises:
            ConfigError: the server refuses us.
            Unavailable: it cannot be reached now.
        """
        tolerate_anything()
        write_texts_at_once()
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # what matters of it is told here, in our form
        await self._connect_to_any()
        self._keeper = asyncio.create_task(self._keep(), name=f"rabbitmq {self.use}")

    async def close(self) -> None:
        """Close the connection for good; idempotent."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self.problem = "the bus is closed"
        await self._disconnect()

    @property
    def connection(self) -> AbstractConnection:
        """The connection. Raises Unavailable while there is none."""
        if self._connection is None or not self._connection.is_opened:
            raise Unavailable(self.problem)
        return self._connection

    def carries(self, channel: AbstractChannel) -> bool:
        """Say whether a channel is one of the connection that there is now."""
        return self._connection is not None and self._connection.is_opened and channel.connection is self._connection

    async def wait(self) -> AbstractConnection:
        """Wait until there is a connection, however long it takes."""
        while True:
            await self._connected.wait()
            with suppress(Unavailable):
                return self.connection
            await asyncio.sleep(_FIRST_PAUSE_S)  # lost a moment ago, and the keeper is about to notice

    @property
    def blocked(self) -> bool:
        """Whether the broker has told us that it does not read what we publish: its memory or disk is short.

        The driver has no question for it but one: `ready` returns at once, unless the connection is blocked.
        """
        waiting = self.connection.ready().__await__()
        try:
            next(waiting)
        except StopIteration:
            return False
        finally:
            waiting.close()
        return True

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """A channel for a moment: what the broker refuses costs the channel on which it was asked."""
        async with translated("opening a channel"):
            channel = await self.connection.channel(publisher_confirms=False)
        try:
            yield channel
        finally:
            await close_channel(channel)

    async def _connect_to_any(self) -> None:
        """Try each member once; the last one's error is raised if none can be reached."""
        for _ in self._address.members[1:]:
            with suppress(Unavailable):
                return await self._connect()
        return await self._connect()

    async def _connect(self) -> None:
        """Connect to the member whose turn it is."""
        member = self._address.members[self._next]
        self._next = (self._next + 1) % len(self._address.members)
        opened = aio_pika.Connection(
            member,
            ssl_context=self._address.tls,
            client_properties={"connection_name": f"sightline {self.use}"},
        )
        try:
            self._connection = await self._establish(opened, member)
        except BaseException:
            await opened.close()  # or it does so itself when it is forgotten, perhaps where no loop runs any more
            raise
        self._opened, self._member = opened, place_of(member)
        try:
            self.capabilities = read_capabilities(self._connection.server_properties)
        except ConfigError as error:
            await self._disconnect()
            raise ConfigError(f"{error} (it is at {self._address})") from None
        self.problem = ""
        self._connected.set()

    async def _establish(self, opened: aio_pika.Connection, member: URL) -> AbstractConnection:
        where = place_of(member)
        try:
            async with asyncio.timeout(ANSWER_S):
                await opened.connect()
        except TimeoutError:
            raise Unavailable(f"what listens at {where} says nothing within {ANSWER_S:g} s") from None
        except asyncio.CancelledError as error:
            if is_ours():
                raise
            raise connect_error(error, where) from None
        except Exception as error:
            if is_ours():  # the driver has swallowed it
                raise asyncio.CancelledError from None
            raise connect_error(error, where) from error
        if opened.transport is None:
            raise Unavailable(f"RabbitMQ at {where} closed the connection at once")
        return opened.transport.connection

    async def _disconnect(self) -> None:
        self._connected.clear()
        self._connection, opened, self._opened = None, self._opened, None
        if opened is not None:
            with suppress(Unavailable):
                async with translated("closing the connection"):
                    await opened.close()

    async def _keep(self) -> None:
        while True:
            if self._connection is not None:
                await asyncio.wait([self._connection.closing])
            self.problem = f"the connection to RabbitMQ at {self._member} was lost"
            log.warning("bus.disconnected", use=self.use, broker=self._member, reason=_reason(self._connection))
            await self._disconnect()
            await self._reconnect()
            log.info("bus.reconnected", use=self.use, broker=self._member)

    async def _reconnect(self) -> None:
        pause_s, said = _FIRST_PAUSE_S, ""
        while True:
            # At random, or all processes would come back in step and bring the broker down again.
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - spreads, hides nothing
            try:
                await self._connect()
            except PlatformError as error:
                self.problem = str(error)
                if self.problem != said:
                    said = self.problem
                    tell = log.error if isinstance(error, ConfigError) else log.warning
                    tell("bus.cannot_connect", use=self.use, broker=str(self._address), reason=said)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                return


async def close_channel(channel: AbstractChannel) -> None:
    """Close a channel, which may be closed or dead already."""
    with suppress(Unavailable):
        async with translated("closing a channel"):
            await channel.close()


def _reason(connection: AbstractConnection | None) -> str:
    if connection is None or not connection.closing.done() or connection.closing.cancelled():
        return ""
    error = connection.closing.exception()
    return "" if error is None else text_of(error)
