"""One consumer of an embedded bus: prefetch, waiting, settling."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

import structlog

from contracts.topics import DEAD, Queue
from services.kit.bus.port import (
    DEAD_ATTEMPTS,
    DEAD_DETAIL,
    DEAD_QUEUE,
    DEAD_REASON,
    DELIVERY_LIMIT,
    Delivery,
    Depth,
    Message,
    delivery_limit,
)
from services.kit.bus.rows import Back, Held, Post, Rows, Tag, Taken
from services.kit.bus.waiting import Signal, Tasks
from services.kit.errors import Unavailable

log = structlog.get_logger(__name__)

_AGAIN_S = 1.0
"""Pause before rows that could not be written are tried again; a full disk does not say when it has room."""

Write = Callable[[Sequence[Tag]], Awaitable[None]]


class Line:
    """One queue in one lane, as this process sees it: its rows, who waits for them, what was handed out in vain."""

    def __init__(self, rows: Rows, name: str) -> None:
        self.rows = rows
        self.name = name
        self.signal = Signal()
        self._abandoned: dict[Tag, Back] = {}

    def abandon(self, tags: Collection[Tag], why: Back) -> None:
        """Give back rows that will not be settled: they are ready for the next who asks, or when the bus reopens."""
        self._abandoned.update(dict.fromkeys(tags, why))
        self.signal.wake()

    async def put(self, message: Message) -> None:
        """Add a message to this queue alone."""
        await self.rows.put([Post(message, (self.name,))])
        self.signal.wake()

    async def take(self, limit: int) -> Taken:
        """Hand out up to `limit` rows."""
        await self._recover()
        return await self.rows.take(self.name, limit)

    async def count(self) -> Depth:
        """Count the rows."""
        await self._recover()
        return await self.rows.count(self.name)

    async def unpark(self, known: Callable[[Message], bool]) -> int:
        """Make ready the parked rows that are `known`; return how many."""
        moved = await self.rows.unpark(self.name, known)
        self.signal.wake()
        return moved

    async def _recover(self) -> None:
        if not self._abandoned:
            return
        tags, self._abandoned = self._abandoned, {}  # each is released once: a second time could hit its next owner
        try:
            await self.rows.release(tags)
        except Unavailable:
            self._abandoned.update(tags)
            raise


class EmbeddedSubscription:
    """One consumer of one line."""

    def __init__(
        self,
        *,
        queue: Queue,
        line: Line,
        dead: Line,
        prefetch: int,
        tasks: Tasks,
        on_close: Callable[["EmbeddedSubscription"], None],
    ) -> None:
        self.queue = queue
        self.line = line
        self._dead = dead
        self._prefetch = prefetch
        self._most_returns = delivery_limit(queue)
        self._tasks = tasks
        self._on_close = on_close
        self._unsettled: set[Tag] = set()
        self._taking = asyncio.Lock()
        self._closed = False

    async def receive(self, limit: int) -> Sequence[Delivery]:
        if limit < 1:
            raise ValueError(f"a limit of {limit} would wait for ever")
        failing = False
        while True:
            seen = self.line.signal.count
            wait_s: float | None
            try:
                taken = await self._take(limit)
            except Unavailable as error:
                if not failing:
                    log.warning("bus.receive_waits", queue=self.line.name, error=str(error))
                taken, failing, wait_s = Taken(), True, _AGAIN_S
            else:
                failing, wait_s = False, taken.due_in_s
            if self._closed:
                return ()
            if taken.rows:
                return [Delivery(row.message, row.tag.attempt, row.tag, row.returned) for row in taken.rows]
            await self.line.signal.wait(seen, wait_s)

    def holds(self, delivery: Delivery) -> bool:
        return delivery.tag in self._unsettled

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await self._settle(deliveries, self.line.rows.delete)

    async def retry(self, delivery: Delivery, delay_s: float) -> None:
        await self._settle([delivery], lambda tags: self.line.rows.delay(tags[0], max(0.0, delay_s)))

    async def reject(self, delivery: Delivery, reason: str, detail: str) -> None:
        if self.queue == DEAD:
            await self.park(delivery, reason)
            return
        headers = _why(self.queue, reason, detail, delivery.attempt)

        async def bury(tags: Sequence[Tag]) -> None:
            if not self.queue.broadcast:
                await self.line.rows.move(tags[0], self._dead.name, headers)
                self._dead.signal.wake()
                return
            message = delivery.message
            await self._dead.put(replace(message, headers={**message.headers, **headers}))
            await self.line.rows.delete(tags)

        await self._settle([delivery], bury)

    async def park(self, delivery: Delivery, reason: str) -> None:
        if self.queue.broadcast:
            await self.ack([delivery])
        else:
            await self._settle([delivery], lambda tags: self.line.rows.park(tags[0], reason))

    async def close(self) -> None:
        self._closed = True
        self.line.signal.wake()
        await self._tasks.finish(self._release())

    async def _release(self) -> None:
        async with self._taking:
            self.line.abandon(self._unsettled, Back.LEFT)
            self._unsettled.clear()
            self._on_close(self)

    async def _take(self, limit: int) -> Taken:
        taking = self._tasks.start(self._take_into_hand(limit))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._tasks.start(self._give_back(taking))
            raise

    async def _take_into_hand(self, limit: int) -> Taken:
        async with self._taking:
            room = min(limit, self._prefetch - len(self._unsettled))
            if self._closed or room < 1:
                return Taken()
            taken = await self._take_live(room)
            self._unsettled.update(row.tag for row in taken.rows)
            return taken

    async def _take_live(self, room: int) -> Taken:
        """Take rows, and give up those that nobody has survived as often as the queue allows."""
        while True:
            taken = await self.line.take(room)
            live = [row for row in taken.rows if row.returned <= self._most_returns]
            if len(live) == len(taken.rows):
                return taken
            try:
                for row in taken.rows:
                    if row.returned > self._most_returns:
                        await self._give_up(row)
            except Unavailable:
                self.line.abandon([row.tag for row in taken.rows], Back.UNSEEN)
                raise
            if live:
                return Taken(live)

    async def _give_up(self, row: Held) -> None:
        log.error("bus.delivery_limit", queue=self.line.name, returned=row.returned)
        if self.queue == DEAD:
            await self.line.rows.park(row.tag, DELIVERY_LIMIT)
            return
        detail = f"its consumer died or was cut off {row.returned} times while it had the message"
        headers = _why(self.queue, DELIVERY_LIMIT, detail, row.tag.attempt - 1)
        await self.line.rows.move(row.tag, self._dead.name, headers)
        self._dead.signal.wake()

    async def _give_back(self, taking: asyncio.Task[Taken]) -> None:
        """Return what was taken for somebody who was cancelled meanwhile: nobody saw it, so no attempt counts."""
        try:
            taken = await taking
        except Unavailable:
            return
        tags = self._unsettled.intersection(row.tag for row in taken.rows)
        self._unsettled -= tags
        self.line.abandon(tags, Back.UNSEEN)

    async def _settle(self, deliveries: Sequence[Delivery], write: Write) -> None:
        tags = [each.tag for each in deliveries if isinstance(each.tag, Tag) and each.tag in self._unsettled]
        if tags:
            await self._tasks.finish(self._settle_tags(tags, write))

    async def _settle_tags(self, tags: Sequence[Tag], write: Write) -> None:
        settled = False
        try:
            await write(tags)
            settled = True
        finally:
            in_hand = self._unsettled.intersection(tags)  # close() may have given them back meanwhile
            self._unsettled -= in_hand
            if not settled:
                self.line.abandon(in_hand, Back.UNSETTLED)
            self.line.signal.wake()


def _why(queue: Queue, reason: str, detail: str, attempts: int) -> dict[str, str]:
    return {DEAD_QUEUE: queue.name, DEAD_REASON: reason, DEAD_DETAIL: detail, DEAD_ATTEMPTS: str(attempts)}
