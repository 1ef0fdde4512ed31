"""The one consume loop: takes batches, asks the handler, settles. Nobody else acknowledges anything.

- handler returns Done: its events are published and confirmed, then the delivery is acknowledged
- handler returns Retry: delivered again later; after the queue's last attempt a dead letter, unless it was no fault
  of the message: a part that is away gives nothing up, however long it is away
- handler returns Reject: a dead letter at once, with the code
- handler raises: each delivery once more alone, so that one bad message does not punish its batch; then Retry
- handler is cancelled: nothing is settled, the message comes again
- bytes cannot be decoded: a dead letter; of an unknown version: parked, and brought back at start once known
- two deliveries in a row ended with the death of their consumer: handled after its batch, alone
- everything fails, and for no fault of who sent it: nothing more is taken but one message now and then, until one
  succeeds; meanwhile no fault of ours makes a dead letter
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import structlog

from contracts.base import Payload
from contracts.events import Event
from contracts.topics import Queue
from services.kit.bus.breaker import MOST_FAILURES, Breaker
from services.kit.bus.codec import decode
from services.kit.bus.intake import Intake, Linger
from services.kit.bus.outcomes import Handler, Outcome, Raised, Retry, Work
from services.kit.bus.port import Bus, Delivery, Message, Subscription
from services.kit.bus.settlement import Handled, Settlement
from services.kit.crash import crash_at
from services.kit.errors import PlatformError, Unavailable, Undecodable, UnknownVersion
from services.kit.metrics import Metrics

log = structlog.get_logger(__name__)

_RESUBSCRIBE_S = 1.0

Decoder = Callable[[Message], Event[Payload]]


class Consumer:
    """Consumes one queue with one handler.

    `concurrency` batches of up to `batch` messages are in hand at once; the prefetch follows from the two. `size` may
    ask for smaller ones. After
    `most_failures` of ours in a row it takes nothing more until a single message succeeds.
    """

    def __init__(
        self,
        bus: Bus,
        metrics: Metrics,
        queue: Queue,
        handler: Handler,
        *,
        lane: str = "default",
        batch: int = 1,
        concurrency: int = 1,
        decoder: Decoder = decode,
        linger: Linger | None = None,
        size: Callable[[], int] | None = None,
        most_failures: int = MOST_FAILURES,
    ) -> None:
        self._bus = bus
        self._metrics = metrics
        self._queue = queue
        self._handler = handler
        self._lane = lane
        self._batch = batch
        self._concurrency = concurrency
        self._decoder = decoder
        self._linger = linger
        self._size = size
        self._halt = asyncio.Event()
        self._stopping = asyncio.Event()
        self._breaker = Breaker(queue.queue_name(lane), most_failures)
        self._settlement = Settlement(bus, metrics, queue, self._breaker, self._halt)
        self._serving: asyncio.Task[None] | None = None

    async def start(self, stack: AsyncExitStack, *, drain_s: float) -> None:
        """Begin to consume; leaving `stack` stops deliveries and finishes what is in hand within `drain_s`."""
        subscription = await self._subscribe()
        if not self._queue.broadcast:
            returned = await self._bus.unpark(self._queue, self._knows, lane=self._lane)
            if returned:
                log.info("consume.unparked", queue=self._queue.name, messages=returned)
        self._serving = asyncio.create_task(self._serve(subscription), name=f"consume {self._queue.name}")
        stack.push_async_callback(self._stop, self._serving, drain_s)

    async def check(self) -> None:
        """Raise Unavailable unless messages are taken."""
        if self._serving is None or self._serving.done():
            raise Unavailable(f"the consumer of {self._queue.name} has stopped; see the log and restart the service")
        self._breaker.check()

    async def _stop(self, serving: asyncio.Task[None], drain_s: float) -> None:
        self._stopping.set()
        self._halt.set()
        _, late = await asyncio.wait((serving,), timeout=drain_s)
        if late:
            log.warning("consume.drain_cut", queue=self._queue.name, drain_s=drain_s)
            serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    async def _subscribe(self) -> Subscription:
        prefetch = 1 if self._breaker.is_open else self._batch * self._concurrency
        return await self._bus.subscribe(self._queue, lane=self._lane, prefetch=prefetch)

    async def _serve(self, first: Subscription) -> None:
        """Consume until we stop, a stretch at a time: the breaker's opening and closing end one."""
        subscription: Subscription | None = first
        try:
            while subscription is not None:
                try:
                    await self._consume(subscription)
                finally:
                    await subscription.close()  # what we did not settle is for those that work
                subscription = await self._resume()
        except Exception:
            log.exception("consume.crashed", queue=self._queue.name)
            raise

    async def _consume(self, subscription: Subscription) -> None:
        if self._breaker.is_open:
            await self._loop(subscription, Intake(subscription, self._halt, batch=1))
            return
        intake = Intake(subscription, self._halt, batch=self._batch, linger=self._linger, size=self._size)
        async with asyncio.TaskGroup() as loops:
            for _ in range(self._concurrency):
                loops.create_task(self._loop(subscription, intake))

    async def _loop(self, subscription: Subscription, intake: Intake) -> None:
        while deliveries := await intake.next_batch():
            await self._handle(subscription, deliveries)

    async def _resume(self) -> Subscription | None:
        """Take the queue up again when it is time; nothing once we stop."""
        self._halt.clear()
        pause_s = self._breaker.pause_s()
        while not await self._stops_within(pause_s):
            try:
                return await self._subscribe()
            except PlatformError as error:
                log.warning("consume.cannot_resume", queue=self._queue.name, error=str(error))
                pause_s = _RESUBSCRIBE_S
        return None

    async def _stops_within(self, pause_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _handle(self, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        crash_at(f"{self._queue.name}.delivered")
        self._metrics.batch_size.labels(self._queue.name).observe(len(deliveries))
        with self._metrics.handle_seconds.labels(self._queue.name).time():
            work: list[tuple[Delivery, Work]] = []
            for delivery in deliveries:
                try:
                    work.append((delivery, self._decode(delivery)))
                except Undecodable as error:
                    await self._settlement.refuse(subscription, delivery, error)
            for whole in _parts(work):
                part = [each for each in whole if subscription.holds(each[0])]
                if stale := len(whole) - len(part):  # their connection was lost meanwhile: they come again
                    self._metrics.handled.labels(self._queue.name, "stale").inc(stale)
                    log.info("consume.stale", queue=self._queue.name, messages=stale)
                if not part:
                    continue
                outcomes = await self._ask([item for _, item in part])
                handled = [Handled(*pair, outcome) for pair, outcome in zip(part, outcomes, strict=True)]
                await self._settlement.settle(subscription, handled)

    def _decode(self, delivery: Delivery) -> Work:
        last = delivery.attempt >= self._queue.retry.attempts
        event = self._decoder(delivery.message)
        age_s = (datetime.now(UTC) - event.time).total_seconds()
        self._metrics.message_age.labels(self._queue.name).observe(max(0.0, age_s))  # a device's clock may be ahead
        return Work(event, delivery.attempt, last, delivery.message, delivery.returned)

    async def _ask(self, work: Sequence[Work]) -> Sequence[Outcome]:
        try:
            return await self._handler(work)
        except Exception as raised:
            if len(work) > 1:
                return [(await self._ask([item]))[0] for item in work]
            error = raised
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            known = isinstance(error, PlatformError)
            log.warning("consume.failed", queue=self._queue.name, error=str(error), exc_info=None if known else error)
            if isinstance(error, Unavailable):
                return [Retry("handler_failed", str(error), blameless=True)]
            # What an unknown error says may quote its input: it is for the log, and the detail for whoever asked.
            return [Raised("handler_failed", str(error) if known else f"{type(error).__name__}; the log says more")]

    def _knows(self, message: Message) -> bool:
        try:
            self._decoder(message)
        except UnknownVersion:
            return False
        except Undecodable:
            return True  # readable enough to be rejected with a reason
        return True


def _parts(work: Sequence[tuple[Delivery, Work]]) -> list[Sequence[tuple[Delivery, Work]]]:
    """Return what is handled together, then each suspect alone: whoever dies of it has settled the others before."""
    together = [each for each in work if not each[1].suspect]
    suspects = [each for each in work if each[1].suspect]
    for _, item in suspects:
        log.warning("consume.suspect", type=item.event.type, subject=item.event.subject, returned=item.returned)
    return [part for part in (together, *([each] for each in suspects)) if part]
