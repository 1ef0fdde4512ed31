"""How deliveries end: acknowledged, or sent on and then acknowledged. Nothing is settled before its copy is safe."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from contracts.topics import DEAD, Queue
from services.kit.bus.port import Delivery, Message
from services.kit.bus.rabbit.faults import translated
from services.kit.bus.rabbit.hand import Hand, Tag
from services.kit.bus.rabbit.letters import buried, onward
from services.kit.bus.rabbit.publisher import Posting, Publisher
from services.kit.bus.rabbit.topology import BACK, DEAD_KEY, DEAD_LETTERS, parking_name, retry_name, retry_step_s
from services.kit.bus.waiting import Signal, Tasks
from services.kit.errors import PlatformError, Unavailable

log = structlog.get_logger(__name__)

_AGAIN_S = 1.0
"""Pause before a delivery that could not be settled is handed out again: the broker has to recover first."""


class Settling:
    """Settles the deliveries of one subscription."""

    def __init__(
        self, queue: Queue, name: str, hand: Hand, *, signal: Signal, tasks: Tasks, publisher: Publisher
    ) -> None:
        self._queue = queue
        self._name = name
        self._hand = hand
        self._signal = signal
        self._tasks = tasks
        self._publisher = publisher
        self._timers: dict[asyncio.TimerHandle, tuple[Delivery, Tag]] = {}

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        tags = self._begin(deliveries)
        if tags:
            await self._tasks.finish(self._forget(tags))
        self._require_kept(deliveries)

    async def retry(self, delivery: Delivery, delay_s: float) -> None:
        if self._queue.broadcast:
            await self._retry_here(delivery, delay_s)
            return
        await self._end(delivery, lambda: self._delay(delivery.message, delivery.attempt, delay_s))

    async def reject(self, delivery: Delivery, reason: str, detail: str) -> None:
        if self._queue == DEAD:
            await self.park(delivery, reason)
            return
        letter = buried(delivery.message, self._queue, reason, detail, delivery.attempt)
        await self._end(delivery, lambda: self._publisher.send(Posting(letter, DEAD_LETTERS, DEAD_KEY)))

    async def park(self, delivery: Delivery, reason: str) -> None:
        if self._queue.broadcast:
            await self.ack([delivery])
            return
        letter = onward(delivery.message, attempts=0, reason=reason)
        await self._end(delivery, lambda: self._publisher.send(Posting(letter, BACK, parking_name(self._name))))

    def delay_on(self, delivery: Delivery, delay_s: float) -> None:
        """Send on one whose delay took more than a step, without anybody seeing it."""
        tag = _tag_of(delivery)
        self._hand.busy(tag)
        self._tasks.start(self._delay_on(delivery, tag, delay_s))

    def stop(self) -> list[Tag]:
        """Stop offering again what could not be settled; return it."""
        resting = [tag for _, tag in self._timers.values() if not tag.lost]
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._hand.end(resting)
        return resting

    async def release(self, *, counted: bool) -> None:
        """Give back everything in the hand. What nobody has seen comes again without its attempt counting.

        `counted` says that this broker counts whatever is put back: then a fresh copy is sent instead.
        """
        resting = self.stop()
        unseen, seen = self._hand.give_up()
        with suppress(Unavailable):
            async with translated("returning messages", 30.0):
                for tag in (*seen, *resting):
                    await self._return(tag)
                if counted and not self._queue.broadcast:
                    await asyncio.gather(*(self._renew(delivery, tag) for delivery, tag in unseen))
                    return
                for _, tag in unseen:
                    if tag.number:
                        await tag.channel.basic_nack(tag.number, requeue=True)

    async def _renew(self, delivery: Delivery, tag: Tag) -> None:
        letter = onward(delivery.message, attempts=delivery.attempt - 1)
        try:
            await self._publisher.send(Posting(letter, BACK, self._name))
        except PlatformError:
            await self._return(tag)
        else:
            await self._forget([tag])

    async def _return(self, tag: Tag) -> None:
        # A reject, not a nack: RabbitMQ 4.3 and later do not count a nack, and a poisonous message would never end.
        if tag.number:
            with suppress(Unavailable):
                async with translated("returning a message"):
                    await tag.channel.basic_reject(tag.number, requeue=True)

    def _begin(self, deliveries: Sequence[Delivery]) -> list[Tag]:
        return self._hand.begin(each.tag for each in deliveries)

    def _require_kept(self, deliveries: Sequence[Delivery]) -> None:
        if self._hand.has_lost(each.tag for each in deliveries):
            raise Unavailable(f"the connection to RabbitMQ was lost: what came from {self._name} comes again")

    async def _end(self, delivery: Delivery, send: Callable[[], Awaitable[None]]) -> None:
        tags = self._begin([delivery])
        if tags:
            await self._tasks.finish(self._send_and_forget(delivery, tags[0], send))
        self._require_kept([delivery])

    async def _send_and_forget(self, delivery: Delivery, tag: Tag, send: Callable[[], Awaitable[None]]) -> None:
        try:
            await send()
        except BaseException as error:
            self._offer_again(delivery, tag, _AGAIN_S)
            if isinstance(error, PlatformError) and not isinstance(error, Unavailable):
                raise Unavailable(f"the message cannot be sent on: {error}") from error
            raise
        await self._forget([tag])

    async def _delay(self, message: Message, attempts: int, delay_s: float) -> None:
        if delay_s <= 0:
            await self._publisher.send(Posting(onward(message, attempts=attempts), BACK, self._name))
            return
        step_s = retry_step_s(delay_s)
        letter = onward(message, attempts=attempts, delay_left_s=max(0.0, delay_s - step_s))
        await self._publisher.send(Posting(letter, BACK, retry_name(self._name, step_s)))

    async def _delay_on(self, delivery: Delivery, tag: Tag, delay_s: float) -> None:
        try:
            await self._delay(delivery.message, delivery.attempt - 1, delay_s)
            await self._forget([tag])
        except PlatformError as error:
            # Handing it out now would be too early; as a delivery of the broker it comes again, and is sent on then.
            log.warning("bus.delay_waits", queue=self._name, reason=str(error))
            await asyncio.sleep(_AGAIN_S)
            await self._return(tag)
            self._hand.end([tag])

    async def _retry_here(self, delivery: Delivery, delay_s: float) -> None:
        """Try again in this process, which alone has this copy; it is lost with the process, as broadcasts are."""
        tags = self._begin([delivery])
        if tags:
            await self._tasks.finish(self._forget(tags))
            self._offer_again(delivery, Tag(tags[0].channel, 0), max(0.0, delay_s))

    def _offer_again(self, delivery: Delivery, tag: Tag, delay_s: float) -> None:
        def offer() -> None:
            del self._timers[timer]
            self._hand.put_again(delivery, tag)
            self._signal.wake()

        self._hand.busy(tag)
        timer = asyncio.get_running_loop().call_later(delay_s, offer)
        self._timers[timer] = (delivery, tag)

    async def _forget(self, tags: Sequence[Tag]) -> None:
        numbered = [tag for tag in tags if tag.number and not tag.lost]
        try:
            if not numbered:
                return
            channel = numbered[0].channel
            async with translated("acknowledging"):
                if len(numbered) > 1 and self._hand.first_only(numbered):
                    await channel.basic_ack(max(tag.number for tag in numbered), multiple=True)
                else:
                    await asyncio.gather(*(channel.basic_ack(tag.number) for tag in numbered))
        finally:
            self._hand.end(tags)


def _tag_of(delivery: Delivery) -> Tag:
    if not isinstance(delivery.tag, Tag):
        raise TypeError("a delivery of another bus")
    return delivery.tag
