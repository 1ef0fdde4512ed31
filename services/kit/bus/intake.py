"""How a consumer takes messages from its subscription: in batches, until it is told to halt."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.kit.bus.outcomes import SUSPECT_RETURNS
from services.kit.bus.port import Delivery, Message, Subscription


@dataclass(frozen=True, slots=True)
class Linger:
    """How long a batch that is not full waits for more messages, as long as none in it is urgent.

    `meanwhile` is told of the first messages of a batch that waits, but not of those that may have killed a consumer
    before; it must be quick, and not raise.
    """

    longest_s: float
    urgent: Callable[[Message], bool]
    meanwhile: Callable[[Sequence[Message]], None] | None = None


class Intake:
    """Takes batches of up to `batch` messages, or what `size` says at the moment, until `halt` is set.

    Of several callers one takes at a time: what comes while a batch lingers belongs to that batch.
    """

    def __init__(
        self,
        subscription: Subscription,
        halt: asyncio.Event,
        *,
        batch: int,
        linger: Linger | None = None,
        size: Callable[[], int] | None = None,
    ) -> None:
        self._subscription = subscription
        self._halt = halt
        self._batch = batch
        self._linger = linger
        self._size = size
        self._taking = asyncio.Lock()

    async def next_batch(self) -> Sequence[Delivery]:
        """Return the next batch, or nothing once we halt."""
        async with self._taking:
            return await self._take()

    async def _take(self) -> Sequence[Delivery]:
        most = self._batch if self._size is None else min(self._batch, self._size())
        deliveries = list(await self._next(most))
        if self._linger is None:
            return deliveries
        latest = deliveries
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._linger.longest_s
        told = False
        while latest and len(deliveries) < most and not any(self._linger.urgent(d.message) for d in latest):
            if self._linger.meanwhile is not None and not told:
                self._linger.meanwhile([each.message for each in deliveries if each.returned < SUSPECT_RETURNS])
                told = True
            latest = list(await self._next(most - len(deliveries), deadline - loop.time()))
            deliveries += latest
        return deliveries

    async def _next(self, limit: int, longest_s: float | None = None) -> Sequence[Delivery]:
        """Return what comes next, or nothing once we halt or the time is over; only waiting is ever interrupted."""
        if self._halt.is_set() or (longest_s is not None and longest_s <= 0):
            return ()
        receiving = asyncio.ensure_future(self._subscription.receive(limit))
        halting = asyncio.ensure_future(self._halt.wait())
        try:
            await asyncio.wait((receiving, halting), timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else ()
        finally:
            for task in (receiving, halting):
                task.cancel()
            await asyncio.gather(receiving, halting, return_exceptions=True)
