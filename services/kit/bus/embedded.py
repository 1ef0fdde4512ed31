"""The delivery engine of the buses that live inside one process: the Bus port over any `Rows`.

Who holds what, who waits and what was broadcast is known here, in memory; what must survive is in the rows.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from contracts.topics import DEAD, Queue
from services.kit.bus.port import Depth, Message
from services.kit.bus.routing import Route, route_message
from services.kit.bus.rows import MemoryRows, Post, Rows
from services.kit.bus.subscription import EmbeddedSubscription, Line
from services.kit.bus.waiting import Tasks
from services.kit.crash import crash_at
from services.kit.errors import Unavailable

LONGEST_BROADCAST = 10_000
"""Copies kept for a subscription that does not receive them; then the oldest are dropped."""


class EmbeddedBus:
    """A bus whose publishers and consumers are tasks of one event loop."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._tasks = Tasks()
        self._lines: dict[str, Line] = {}
        self._subscriptions: set[EmbeddedSubscription] = set()
        self._open = False

    async def __aenter__(self) -> Self:
        await self._rows.open()
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._rows.close)
            stack.push_async_callback(self._tasks.join)
            for subscription in list(self._subscriptions):
                stack.push_async_callback(subscription.close)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is committed, all or none."""
        # The sender's name is the broker's word, and there is no broker here: what the publisher claims is left out.
        routed = [
            (replace(message, headers=dict(message.headers), user=""), route_message(message)) for message in messages
        ]
        self._require_open()
        await self._tasks.finish(self._publish(routed))

    async def subscribe(self, queue: Queue, *, lane: str = "default", prefetch: int = 16) -> EmbeddedSubscription:
        self._require_open()
        if prefetch < 1:
            raise ValueError(f"a prefetch of {prefetch} would never receive anything")
        # The copies of a broadcast lie in rows of their own, so that they end with their subscription.
        copies = Line(MemoryRows(longest=LONGEST_BROADCAST), queue.name) if queue.broadcast else None
        subscription = EmbeddedSubscription(
            queue=queue,
            line=copies or self._line(queue.queue_name(lane)),
            dead=self._line(DEAD.queue_name()),
            prefetch=prefetch,
            tasks=self._tasks,
            on_close=self._subscriptions.discard,
        )
        self._subscriptions.add(subscription)
        return subscription

    async def unpark(self, queue: Queue, known: Callable[[Message], bool], *, lane: str = "default") -> int:
        return await self._tasks.finish(self._durable_line(queue, lane).unpark(known))

    async def depth(self, queue: Queue, *, lane: str = "default") -> Depth:
        return await self._tasks.finish(self._durable_line(queue, lane).count())

    async def check(self) -> None:
        """Return if rows can be written now."""
        self._require_open()
        await self._rows.check()

    async def _publish(self, routed: Sequence[tuple[Message, Route]]) -> None:
        posts = [Post(message, route.queues) for message, route in routed if route.queues]
        if posts:
            await self._rows.put(posts)
            crash_at("bus.published")
        for name in {name for post in posts for name in post.queues}:
            self._line(name).signal.wake()
        for message, route in routed:
            for listener in [each for each in self._subscriptions if each.queue in route.broadcasts]:
                await listener.line.put(message)

    def _line(self, name: str) -> Line:
        if name not in self._lines:
            self._lines[name] = Line(self._rows, name)
        return self._lines[name]

    def _durable_line(self, queue: Queue, lane: str) -> Line:
        if queue.broadcast:
            raise ValueError(f"{queue.name} is a broadcast: nothing of it lies anywhere")
        self._require_open()
        return self._line(queue.queue_name(lane))

    def _require_open(self) -> None:
        if not self._open:
            raise Unavailable("the bus is closed")
