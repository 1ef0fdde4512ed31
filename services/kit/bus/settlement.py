"""From outcomes to the end of deliveries: publish and acknowledge, retry, give up, or keep while everything fails."""

import asyncio
import hashlib
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import structlog

from contracts.events import PREFIX
from contracts.topics import Queue
from services.kit.bus.breaker import Breaker
from services.kit.bus.codec import encode
from services.kit.bus.outcomes import Done, Outcome, Raised, Reject, Retry, Work
from services.kit.bus.port import DEVICE_USER, UNVERIFIED, Bus, Delivery, Message, Subscription
from services.kit.crash import crash_at
from services.kit.errors import Unavailable, Undecodable, UnknownVersion
from services.kit.metrics import Metrics

log = structlog.get_logger(__name__)

_REPUBLISH_S = 0.5
"""Pause before the outputs of a finished batch are published again after the bus was away."""


class Handled(NamedTuple):
    """A delivery and what came of it."""

    delivery: Delivery
    work: Work
    outcome: Outcome


class Settlement:
    """Settles the deliveries of one queue, and counts for its breaker; `halt` is set when that opens or closes."""

    def __init__(self, bus: Bus, metrics: Metrics, queue: Queue, breaker: Breaker, halt: asyncio.Event) -> None:
        self._bus = bus
        self._metrics = metrics
        self._queue = queue
        self._breaker = breaker
        self._halt = halt

    async def settle(self, subscription: Subscription, handled: Sequence[Handled]) -> None:
        """Publish what was made, then acknowledge; what was not done is retried or given up."""
        messages: list[Message] = []
        done: list[Delivery] = []
        undone: list[tuple[Delivery, Work, Retry | Reject]] = []
        proved = False
        for delivery, work, outcome in handled:
            if not isinstance(outcome, Done):
                undone.append((delivery, work, outcome))
                continue
            try:
                messages += [encode(event) for event in outcome.events]
            except Undecodable as error:
                undone.append((delivery, work, Reject("bad_output", str(error))))
            else:
                done.append(delivery)
                proved = proved or outcome.proves
        if done:
            await self._publish(messages)
            crash_at(f"{self._queue.name}.confirmed")
            await self._tell(subscription.ack(done), "done", len(done))
        if proved:
            self._succeed()
        for delivery, work, undone_outcome in undone:
            await self._settle_undone(subscription, delivery, work, undone_outcome)

    async def refuse(self, subscription: Subscription, delivery: Delivery, error: Undecodable) -> None:
        """Park what a newer version may read; what nobody ever will is a dead letter."""
        if isinstance(error, UnknownVersion):
            log.error("consume.parked", queue=self._queue.name, detail=error.detail)
            await self._tell(subscription.park(delivery, error.code), "parked")
            return
        # What a device may have sent says nothing of us.
        ours = delivery.message.exchange == "facts"
        await self._give_up(subscription, delivery, Reject(error.code, error.detail), ours=ours)

    async def _settle_undone(
        self, subscription: Subscription, delivery: Delivery, work: Work, outcome: Retry | Reject
    ) -> None:
        if isinstance(outcome, Reject):
            await self._give_up(subscription, delivery, outcome, ours=not _may_be_a_devices(work.message))
        elif work.last_attempt and not outcome.blameless:
            detail = f"{outcome.reason}: {outcome.detail} (attempt {work.attempt})"
            await self._give_up(subscription, delivery, Reject("attempts_exhausted", detail), ours=True)
        else:
            if isinstance(outcome, Raised):
                self._fail(delivery, outcome.reason)
            await self._retry(subscription, delivery, outcome.delay_s)

    async def _give_up(self, subscription: Subscription, delivery: Delivery, outcome: Reject, *, ours: bool) -> None:
        """Make it a dead letter; but where the fault is ours and everything fails, keep it until we are mended."""
        if ours:
            self._fail(delivery, outcome.reason)
            if self._breaker.is_open:
                await self._retry(subscription, delivery)
                return
        self._metrics.dead_letters.labels(self._queue.name, outcome.reason).inc()
        log.error("consume.rejected", queue=self._queue.name, reason=outcome.reason, detail=outcome.detail)
        await self._tell(subscription.reject(delivery, outcome.reason, outcome.detail), "rejected")

    async def _retry(self, subscription: Subscription, delivery: Delivery, delay_s: float | None = None) -> None:
        delay_s = self._queue.retry.delay_s(delivery.attempt) if delay_s is None else delay_s
        await self._tell(subscription.retry(delivery, delay_s), "retried")

    def _fail(self, delivery: Delivery, reason: str) -> None:
        message = delivery.message
        message_id = message.headers.get(f"{PREFIX}id") or hashlib.sha256(message.body).hexdigest()
        if self._breaker.fail(message_id, reason):
            self._metrics.breakers_open.labels(self._queue.name).inc()
            log.error("consume.breaker_opened", queue=self._breaker.name, reason=reason, advice=self._breaker.advice)
        if self._breaker.is_open:
            self._halt.set()

    def _succeed(self) -> None:
        if self._breaker.succeed():
            self._metrics.breakers_open.labels(self._queue.name).dec()
            log.warning("consume.breaker_closed", queue=self._breaker.name)
            self._halt.set()

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


def _may_be_a_devices(message: Message) -> bool:
    return message.exchange == "in" and (message.user == UNVERIFIED or message.user.startswith(DEVICE_USER))
