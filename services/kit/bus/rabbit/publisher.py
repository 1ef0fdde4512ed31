"""Publishes with confirmation, on a connection of its own: returns when the message is safe, or says why it is not."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import cast

from aiormq import Channel
from aiormq import exceptions as driver
from aiormq.abc import AbstractConnection

from services.kit.bus.port import Message
from services.kit.bus.rabbit.faults import ANSWER_S, is_fault_of_connection, is_ours, text_of, translated
from services.kit.bus.rabbit.letters import properties_of
from services.kit.bus.rabbit.link import Link, close_channel
from services.kit.bus.rabbit.window import Window
from services.kit.crash import armed, crash_at
from services.kit.errors import PlatformError, Unavailable, Undecodable, Unknown

_WINDOW = 50
"""Messages that wait for their confirmation at once; more is no faster."""
_WINDOW_BYTES = 64 * 1024 * 1024
_CONFIRM_S = 2.5
"""Longest wait for a confirmation: a door says within three seconds that nothing can be taken."""
_BYTES_PER_S = 1024 * 1024
"""What a slow line carries: a large message gets so much more time."""
_BLIP_S = 1.0
_TOO_LARGE = re.compile(r"message size (\d+) is larger")


class Unroutable(Unavailable):
    """No queue is bound for a message."""


class Posting:
    """A message on its way: the exchange and key to publish with, which are not always the message's own."""

    __slots__ = ("exchange", "key", "mandatory", "message")

    def __init__(self, message: Message, exchange: str, key: str, *, mandatory: bool = True) -> None:
        self.message = message
        self.exchange = exchange
        self.key = key
        self.mandatory = mandatory


class Publisher:
    """Sends postings; each call ends within seconds, whatever the broker does."""

    def __init__(self, link: Link, user: str) -> None:
        self._link = link
        self._user = user
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()
        self._window = Window(messages=_WINDOW, size_bytes=_WINDOW_BYTES)
        self._waiting_since_s: dict[object, float] = {}
        self._late = False

    async def send_all(self, postings: Sequence[Posting]) -> None:
        """Publish all, a window at a time; returns when every one is confirmed. Raises as `Bus.publish`."""
        for first in range(0, len(postings), _WINDOW):
            portion = postings[first : first + _WINDOW]
            size = sum(len(each.message.body) for each in portion)
            if len(portion) == 1:
                await self.send(portion[0])
                continue
            sending = (self.send(each, together_bytes=size) for each in portion)
            _raise_worst(await asyncio.gather(*sending, return_exceptions=True))

    async def send(self, posting: Posting, *, together_bytes: int = 0) -> None:
        """Publish one message and wait for its confirmation."""
        size = len(posting.message.body)
        sent = False
        try:
            async with asyncio.timeout(_CONFIRM_S + max(size, together_bytes) / _BYTES_PER_S):
                await self._window.enter(size)
                try:
                    channel = await self._open()
                    sent = True
                    await self._confirmed(channel, posting)
                finally:
                    self._window.leave(size)
        except TimeoutError:
            if sent:
                raise Unknown("RabbitMQ did not confirm the message in time") from None
            raise Unavailable("RabbitMQ is too slow: messages wait for their confirmation") from None

    async def check(self) -> None:
        """Return if messages can be published now and are confirmed; raise Unavailable otherwise."""
        oldest_s = min(self._waiting_since_s.values(), default=time.monotonic())
        if time.monotonic() - oldest_s > ANSWER_S:
            raise Unavailable("RabbitMQ does not confirm messages")
        await self._open()

    async def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            await close_channel(self._channel)

    async def _open(self) -> Channel:
        """Return the open channel. Raises Unavailable where there is none to be had or nothing may be sent."""
        channel = self._channel
        if channel is not None and not channel.is_closed and self._link.carries(channel) and not self._link.blocked:
            return channel  # as nearly always
        async with self._opening:
            connection = await self._connection()
            if self._link.blocked:
                raise Unavailable("RabbitMQ takes no messages now: its memory or disk is short")
            if self._channel is None or self._channel.is_closed or self._channel.connection is not connection:
                async with translated("opening a channel to publish"):
                    opened = await connection.channel(publisher_confirms=True, on_return_raises=True)
                    self._channel = cast("Channel", opened)  # the abstract class does not know of `wait`
            return self._channel

    async def _connection(self) -> AbstractConnection:
        """Wait a moment for a connection that is just being made again: most losses end in less."""
        try:
            async with asyncio.timeout(_BLIP_S):
                return await self._link.wait()
        except TimeoutError:
            raise Unavailable(self._link.problem or "RabbitMQ is not connected") from None

    async def _confirmed(self, channel: Channel, posting: Posting) -> None:
        """Publish on this channel and wait for the confirmation.

        To wait for the socket too lets nobody else write meanwhile. Only when the broker is late it is done: what is
        given up leaves the window, and would heap up before a socket that nobody reads.
        """
        dies, mark, confirmed = armed("bus.written"), object(), False
        self._waiting_since_s[mark] = time.monotonic()
        try:
            publishing = channel.basic_publish(
                posting.message.body,
                exchange=posting.exchange,
                routing_key=posting.key,
                properties=properties_of(posting.message, self._user),
                mandatory=posting.mandatory,
                wait=dies or self._late,
            )
            await (asyncio.gather(publishing, _die_once_written(channel)) if dies else publishing)
            confirmed = True
            crash_at("bus.published")
        except asyncio.CancelledError:
            if is_ours():
                raise
            raise Unknown("the connection to RabbitMQ was lost before it confirmed the message") from None
        except Exception as error:
            if isinstance(error, TimeoutError) or not is_fault_of_connection(error):
                raise
            raise _meaning(error, posting) from error
        finally:
            self._late = not confirmed
            del self._waiting_since_s[mark]


async def _die_once_written(channel: Channel) -> None:
    """Die before the confirmation can be read: the driver holds the lock until the frames are written."""
    async with channel.lock:
        crash_at("bus.written")


def _meaning(error: BaseException, posting: Posting) -> PlatformError:
    """Say what became of a message that was not confirmed."""
    text = text_of(error)
    if isinstance(error, driver.PublishError):
        return Unroutable(f"no queue is bound to {posting.exchange} for {posting.key}: the topology is incomplete")
    if isinstance(error, driver.DeliveryError):
        return Unavailable("RabbitMQ does not take the message: a queue is full")
    if isinstance(error, driver.ChannelInvalidStateError):
        return Unavailable("the connection to RabbitMQ was lost")
    # The channel is closed for one message's fault, and takes along all that were in flight on it.
    too_large = _TOO_LARGE.search(text)
    if too_large and int(too_large[1]) == len(posting.message.body):
        return Undecodable("too_large", f"RabbitMQ takes no message of {too_large[1]} bytes")
    refused = isinstance(error, driver.ChannelAccessRefused | driver.ChannelNotFoundEntity)
    if refused and f"'{posting.exchange}'" in text:
        return Unavailable(f"RabbitMQ does not take the message: {text}")
    return Unknown(f"RabbitMQ did not confirm the message: {text}")


def _raise_worst(results: Sequence[BaseException | None]) -> None:
    """Raise the error that says the most: one that is no message's fault first, then what cannot ever be sent."""
    errors = [result for result in results if result is not None]
    for kind in (Undecodable, Unknown, Unavailable, BaseException):
        for error in errors:
            if isinstance(error, kind):
                raise error
