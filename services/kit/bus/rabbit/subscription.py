"""One consumer of one queue: its channel, and getting it back when it is lost."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from aiormq import exceptions as driver
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

from contracts.topics import Queue
from services.kit.bus.port import Delivery
from services.kit.bus.rabbit.declaring import Topology, declare, look_for
from services.kit.bus.rabbit.faults import REFUSALS, text_of, translated
from services.kit.bus.rabbit.hand import Hand, Tag
from services.kit.bus.rabbit.letters import read
from services.kit.bus.rabbit.link import Link, close_channel
from services.kit.bus.rabbit.publisher import Publisher
from services.kit.bus.rabbit.settling import Settling
from services.kit.bus.rabbit.topology import broadcast_spec
from services.kit.bus.waiting import Signal, Tasks
from services.kit.errors import ConfigError, PlatformError, Unavailable

log = structlog.get_logger(__name__)

_PAUSE_S = 1.0
"""Between attempts to consume again from a queue that cannot be had."""
_LOOK_S = 10.0
_SILENT_S = 0.25
"""After which RabbitMQ counts no consumer of a queue whose leader does not answer it."""
_UNSURE_S = 30.0
"""How long such answers in a row are not believed: on a slow line every answer is late."""


class RabbitSubscription:
    """One consumer. Deliveries of a channel that is lost are forgotten: the broker delivers them again."""

    def __init__(
        self,
        *,
        queue: Queue,
        lane: str,
        prefetch: int,
        link: Link,
        topology: Topology,
        publisher: Publisher,
        on_close: Callable[["RabbitSubscription"], None],
    ) -> None:
        self.queue = queue
        self.lane = lane
        self.name = queue.queue_name(lane)
        self.problem = ""
        self._prefetch = prefetch
        self._link = link
        self._topology = topology
        self._on_close = on_close
        self._hand = Hand()
        self._signal = Signal()
        self._tasks = Tasks()
        self._settling = Settling(
            queue, self.name, self._hand, signal=self._signal, tasks=self._tasks, publisher=publisher
        )
        self._channel: AbstractChannel | None = None
        self._consumer = ""
        self._unsure_since: float | None = None
        self._down = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many deliveries have arrived and were not received."""
        return self._hand.waiting

    @property
    def unsettled(self) -> int:
        """How many deliveries were received and are not settled."""
        return self._hand.out

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing is not None

    async def open(self) -> None:
        """Begin to consume. Raises Unavailable, and ConfigError where the queue is not as it should be."""
        await self._attach(self._link.connection)
        self._keeper = asyncio.create_task(self._keep(), name=f"consume {self.name}")

    async def receive(self, limit: int) -> Sequence[Delivery]:
        if limit < 1:
            raise ValueError(f"a limit of {limit} would wait for ever")
        while True:
            seen = self._signal.count
            if self.closed:
                return ()
            if self._hand.waiting:
                return self._hand.take(limit)
            await self._signal.wait(seen)

    def holds(self, delivery: Delivery) -> bool:
        return self._hand.holds(delivery.tag)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle as done. The broker confirms no acknowledgement: one that is lost on the way comes again.

        When the connection is lost in that very moment, this raises although it may have arrived.
        """
        await self._settling.ack(deliveries)

    async def retry(self, delivery: Delivery, delay_s: float) -> None:
        await self._settling.retry(delivery, delay_s)

    async def reject(self, delivery: Delivery, reason: str, detail: str) -> None:
        await self._settling.reject(delivery, reason, detail)

    async def park(self, delivery: Delivery, reason: str) -> None:
        await self._settling.park(delivery, reason)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name=f"close {self.name}")
            self._signal.wake()
        await asyncio.shield(self._closing)

    async def check(self) -> None:
        """Return if the broker delivers to us; raise Unavailable otherwise."""
        channel = self._channel
        if self._down.is_set() or channel is None or channel.is_closed or not self._consumer:
            raise Unavailable(self.problem or f"nothing is consumed from {self.name} at the moment")
        if self.queue.broadcast:
            return
        began_s = time.monotonic()
        try:
            found = await look_for(self._link, self.name)
        except driver.ChannelAccessRefused:
            return  # hidden from us, not from our consumer, which is told of the end of its queue
        if found is None:
            raise Unavailable(f"queue {self.name} is missing on RabbitMQ")
        if found.consumer_count:
            self._unsure_since = None
        elif not self.closed:  # who is leaving has told the broker so
            self._doubt(channel, took_s=time.monotonic() - began_s)

    def _doubt(self, channel: AbstractChannel, *, took_s: float) -> None:
        """The broker counted no consumer; raises Unavailable."""
        now = time.monotonic()
        if took_s >= _SILENT_S:
            self._unsure_since = self._unsure_since or now
            if now - self._unsure_since < _UNSURE_S:
                raise Unavailable(f"RabbitMQ does not say who consumes {self.name}: it is busy")
        self._lose(channel)
        raise Unavailable(f"RabbitMQ knows of no consumer of {self.name}")

    async def _attach(self, connection: AbstractConnection) -> None:
        name = await self._queue_to_consume(connection)
        async with translated(f"consuming {name}"):
            channel = await connection.channel(publisher_confirms=False)
        channel.closing.add_done_callback(lambda _: self._lose(channel))
        channel.on_consumer_cancel_callbacks.add(lambda _: self._lose(channel))
        # Until the broker says that it consumes, whoever looks would find no consumer.
        self._channel, self._consumer, self._unsure_since = channel, "", None
        self._down.clear()
        try:
            async with translated(f"consuming {name}", refusals=True):
                await channel.basic_qos(prefetch_count=self._prefetch)
                begun = await channel.basic_consume(name, self._on_delivery)
        except REFUSALS as error:
            self._lose(channel)
            raise Unavailable(f"{name} cannot be consumed: {text_of(error)}") from None
        except BaseException:
            self._lose(channel)
            await close_channel(channel)
            raise
        self._consumer, self.problem = begun.consumer_tag or "", ""

    async def _queue_to_consume(self, connection: AbstractConnection) -> str:
        if not self.queue.broadcast:
            await self._topology.ensure(self.queue, self.lane)
            return self.name
        spec = broadcast_spec(self.queue, uuid.uuid4().hex)
        async with translated(f"declaring queue {spec.name}"):
            channel = await connection.channel(publisher_confirms=False)
        try:
            await declare(channel, spec)
        except driver.ChannelAccessRefused as error:
            raise Unavailable(f"{self.name} cannot be heard: {text_of(error)}") from None
        finally:
            await close_channel(channel)
        return spec.name

    async def _on_delivery(self, delivered: DeliveredMessage) -> None:
        if delivered.channel is not self._channel or self._down.is_set():
            return
        letter = read(delivered, self.queue)
        tag = Tag(delivered.channel, delivered.delivery_tag or 0)
        delivery = Delivery(letter.message, letter.attempts + 1, tag, letter.returned)
        if letter.delay_left_s > 0:
            self._settling.delay_on(delivery, letter.delay_left_s)
            return
        self._hand.put(delivery, tag)
        self._signal.wake()

    def _lose(self, channel: AbstractChannel) -> None:
        """The channel, or our consumer on it, is gone: what it delivered comes again."""
        if channel is self._channel and not self._down.is_set():
            self._down.set()
            self._hand.lose()

    async def _keep(self) -> None:
        while True:
            await self._until_down()
            if self._channel is not None:
                await close_channel(self._channel)
            connection = await self._link.wait()
            try:
                self._topology.doubt()
                await self._attach(connection)
            except PlatformError as error:
                if str(error) != self.problem:
                    tell = log.error if isinstance(error, ConfigError) else log.warning
                    tell("bus.cannot_consume", queue=self.name, reason=str(error))
                self.problem = str(error)
                self._down.set()
                await asyncio.sleep(random.uniform(_PAUSE_S / 2, _PAUSE_S))  # noqa: S311 - spreads, hides nothing
            else:
                log.info("bus.consuming_again", queue=self.name)

    async def _until_down(self) -> None:
        """Wait until deliveries have stopped; and look, since a queue that is deleted and made anew tells nobody."""
        while not self._down.is_set():
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._down.wait()
            except TimeoutError:
                with suppress(Unavailable):
                    await self.check()

    async def _close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        channel = self._channel
        alive = channel is not None and not self._down.is_set() and not channel.is_closed
        if channel is not None and alive:
            with suppress(Unavailable):
                async with translated(f"leaving {self.name}"):
                    await channel.basic_cancel(self._consumer)
        await self._tasks.join()
        if channel is not None and alive:
            await self._settling.release(counted=not self._returns_uncounted)
            await close_channel(channel)
        self._settling.stop()
        self._down.set()
        self._hand.lose()
        self._hand.forget_lost()
        self._on_close(self)

    @property
    def _returns_uncounted(self) -> bool:
        return self._link.capabilities is not None and self._link.capabilities.returns_uncounted
