"""The one consume loop: takes batches, asks the handler, settles. Nobody else acknowledges anything.

- handler returns Done: its events are published and confirmed, then the delivery is acknowledged
- handler returns Retry: delivered again later; after the queue's last attempt a dead letter, unless it was no fault
  of the message: a part that is away gives nothing up, however long it is away
- handler returns Reject: a dead letter at once, with the code
- handler raises: each delivery once more alone, so that one bad message does not punish its batch; then Retry
- handler is cancelled: nothing is settled, the message comes again
- bytes cannot be decoded: a dead letter; of an unknown version: parked, and brought back at start once known
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog

from contracts.base import Payload
from contracts.events import Event
from contracts.topics import Queue
from services.kit.bus.codec import decode, encode
from services.kit.bus.port import Bus, Delivery, Message, Subscription
from services.kit.errors import PlatformError, Unavailable, Undecodable, UnknownVersion
from services.kit.metrics import Metrics

log = structlog.get_logger(__name__)

_REPUBLISH_S = 0.5
"""Pause before the outputs of a finished batch are published again after the bus was away."""


@dataclass(frozen=True, slots=True)
class Done:
    """Handled. `events` are published and confirmed before the delivery is acknowledged."""

    events: Sequence[Event[Payload]] = field(default=())


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed for a reason that may pass. The delay is the queue's unless `delay_s` is given.

    `blameless` says that the reason lies outside the message, with a part that is away: it is then repeated for as
    long as that takes.
    """

    reason: str
    detail: str = ""
    delay_s: float | None = None
    blameless: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """Failed for ever."""

    reason: str
    detail: str = ""


Outcome = Done | Retry | Reject


@dataclass(frozen=True, slots=True)
class Work:
    """One decoded delivery. `last_attempt` says that a Retry would become a dead letter, if the message is to blame."""

    event: Event[Payload]
    attempt: int
    last_attempt: bool
    message: Message
    """As it came, for the one handler that looks at dead letters."""


Handler = Callable[[Sequence[Work]], Awaitable[Sequence[Outcome]]]
Decoder = Callable[[Message], Event[Payload]]


@dataclass(frozen=True, slots=True)
class Linger:
    """How long a batch that is not full waits for more messages, as long as none in it is urgent."""

    longest_s: float
    urgent: Callable[[Message], bool]


class Consumer:
    """Consumes one queue with one handler.

    `concurrency` batches of up to `batch` messages are in hand at once; the prefetch follows from the two.
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
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def start(self, stack: AsyncExitStack, *, drain_s: float) -> None:
        """Begin to consume; leaving `stack` stops deliveries and finishes what is in hand within `drain_s`."""
        prefetch = self._batch * self._concurrency
        subscription = await self._bus.subscribe(self._queue, lane=self._lane, prefetch=prefetch)
        if not self._queue.broadcast:
            returned = await self._bus.unpark(self._queue, self._knows, lane=self._lane)
            if returned:
                log.info("consume.unparked", queue=self._queue.name, messages=returned)
        self._tasks = [
            asyncio.create_task(self._loop(subscription), name=f"consume {self._queue.name} {number}")
            for number in range(self._concurrency)
        ]
        stack.push_async_callback(self._stop, subscription, drain_s)

    async def check(self) -> None:
        """Raise Unavailable unless every loop runs."""
        if any(task.done() for task in self._tasks):
            raise Unavailable(f"the consumer of {self._queue.name} has stopped; see the log and restart the service")

    async def _stop(self, subscription: Subscription, drain_s: float) -> None:
        self._stopping.set()
        _, late = await asyncio.wait(self._tasks, timeout=drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await subscription.close()
        if late:
            log.warning("consume.drain_cut", queue=self._queue.name, batches=len(late), drain_s=drain_s)

    async def _loop(self, subscription: Subscription) -> None:
        try:
            while deliveries := await self._batch_of(subscription):
                await self._handle(subscription, deliveries)
        except Exception:
            log.exception("consume.crashed", queue=self._queue.name)
            raise

    async def _batch_of(self, subscription: Subscription) -> Sequence[Delivery]:
        """Return the next batch, or nothing once we stop."""
        deliveries = list(await self._next(subscription, self._batch))
        if self._linger is None:
            return deliveries
        latest = deliveries
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._linger.longest_s
        while latest and len(deliveries) < self._batch and not any(self._linger.urgent(d.message) for d in latest):
            latest = list(await self._next(subscription, self._batch - len(deliveries), deadline - loop.time()))
            deliveries += latest
        return deliveries

    async def _next(self, subscription: Subscription, limit: int, longest_s: float | None = None) -> Sequence[Delivery]:
        """Return what comes next, or nothing once we stop or the time is over; only waiting is ever interrupted."""
        if self._stopping.is_set() or (longest_s is not None and longest_s <= 0):
            return ()
        receiving = asyncio.ensure_future(subscription.receive(limit))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((receiving, stopping), timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else ()
        finally:
            for task in (receiving, stopping):
                task.cancel()
            await asyncio.gather(receiving, stopping, return_exceptions=True)

    async def _handle(self, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        self._metrics.batch_size.labels(self._queue.name).observe(len(deliveries))
        with self._metrics.handle_seconds.labels(self._queue.name).time():
            work: list[tuple[Delivery, Work]] = []
            for delivery in deliveries:
                decoded = await self._decode(subscription, delivery)
                if decoded is not None:
                    work.append((delivery, decoded))
            if work:
                outcomes = await self._ask([item for _, item in work])
                await self._settle(subscription, [(d, w, o) for (d, w), o in zip(work, outcomes, strict=True)])

    async def _decode(self, subscription: Subscription, delivery: Delivery) -> Work | None:
        try:
            event = self._decoder(delivery.message)
        except UnknownVersion as error:
            log.error("consume.parked", queue=self._queue.name, detail=error.detail)  # noqa: TRY400 - no trace needed
            await self._tell(subscription.park(delivery, error.code), "parked")
            return None
        except Undecodable as error:
            await self._reject(subscription, delivery, Reject(error.code, error.detail))
            return None
        return Work(event, delivery.attempt, delivery.attempt >= self._queue.retry.attempts, delivery.message)

    async def _ask(self, work: Sequence[Work]) -> Sequence[Outcome]:
        try:
            return await self._handler(work)
        except Exception as error:
            if len(work) > 1:
                return [(await self._ask([item]))[0] for item in work]
            known = isinstance(error, PlatformError)
            log.warning("consume.failed", queue=self._queue.name, error=str(error), exc_info=not known)
            detail = str(error) if known else f"{type(error).__name__}: {error}"
            return [Retry("handler_failed", detail, blameless=isinstance(error, Unavailable))]

    async def _settle(self, subscription: Subscription, settled: Sequence[tuple[Delivery, Work, Outcome]]) -> None:
        messages: list[Message] = []
        done: list[Delivery] = []
        rest: list[tuple[Delivery, Work, Retry | Reject]] = []
        for delivery, work, outcome in settled:
            if not isinstance(outcome, Done):
                rest.append((delivery, work, outcome))
                continue
            try:
                messages += [encode(event) for event in outcome.events]
                done.append(delivery)
            except Undecodable as error:
                rest.append((delivery, work, Reject("bad_output", str(error))))
        if done:
            await self._publish(messages)
            await self._tell(subscription.ack(done), "done", len(done))
        for delivery, work, outcome in rest:
            if isinstance(outcome, Reject):
                await self._reject(subscription, delivery, outcome)
            elif work.last_attempt and not outcome.blameless:
                detail = f"{outcome.reason}: {outcome.detail} (attempt {work.attempt})"
                await self._reject(subscription, delivery, Reject("attempts_exhausted", detail))
            else:
                delay_s = self._queue.retry.delay_s(work.attempt) if outcome.delay_s is None else outcome.delay_s
                await self._tell(subscription.retry(delivery, delay_s), "retried")

    async def _reject(self, subscription: Subscription, delivery: Delivery, outcome: Reject) -> None:
        self._metrics.dead_letters.labels(self._queue.name, outcome.reason).inc()
        log.error("consume.rejected", queue=self._queue.name, reason=outcome.reason, detail=outcome.detail)
        await self._tell(subscription.reject(delivery, outcome.reason, outcome.detail), "rejected")

    async def _publish(self, messages: Sequence[Message]) -> None:
        """Publish until confirmed: the work is done, and doing it again costs more than waiting."""
        while messages:
            try:
                await self._bus.publish(messages)
            except Unavailable as error:
                log.warning("consume.publish_waits", queue=self._queue.name, error=str(error))
                await asyncio.sleep(_REPUBLISH_S)
            else:
                return

    async def _tell(self, settling: Awaitable[None], outcome: str, count: int = 1) -> None:
        """Settle; when the bus is away the message simply comes again."""
        try:
            await settling
        except Unavailable as error:
            log.warning("consume.not_settled", queue=self._queue.name, outcome=outcome, error=str(error))
        else:
            self._metrics.handled.labels(self._queue.name, outcome).inc(count)

    def _knows(self, message: Message) -> bool:
        try:
            self._decoder(message)
        except UnknownVersion:
            return False
        except Undecodable:
            return True  # readable enough to be rejected with a reason
        return True
