"""Where the embedded buses keep their deliveries: the small port under them, and its in-memory adapter.

One row is one message in one queue. It is ready, delayed until a time, held by a consumer, or parked.
"""

import itertools
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from services.kit.bus.port import Depth, Message


class Tag(NamedTuple):
    """A row as it was handed out once: after the next hand-out an old tag fits no more."""

    row_id: int
    attempt: int


class Post(NamedTuple):
    """A message and the names of the queues that take it."""

    message: Message
    queues: tuple[str, ...]


class Held(NamedTuple):
    """A row that was just handed out; `returned` as in `port.Delivery`."""

    tag: Tag
    message: Message
    returned: int


class Taken(NamedTuple):
    """What `Rows.take` found; when that is nothing, the seconds until the next delayed row is due, if there is one."""

    rows: Sequence[Held] = ()
    due_in_s: float | None = None


class Back(StrEnum):
    """Why a row that was handed out is ready again."""

    UNSEEN = "unseen"
    """Nobody saw it: its attempt does not count."""
    UNSETTLED = "unsettled"
    """Its settlement could not be written."""
    LEFT = "left"
    """Whoever had it is gone: it counts as returned."""


class State(StrEnum):
    """What may happen to a row next."""

    READY = "ready"
    DELAYED = "delayed"
    HELD = "held"
    PARKED = "parked"


class Rows(Protocol):
    """The rows of all queues. A queue is there as soon as a row names it.

    Changes take effect in the order of the calls; each is atomic and, where the adapter is durable, on disk when the
    call returns. A change by tag does nothing to a row that is not held under that tag any more. Every method may
    raise Unavailable; nothing of the change was done then.
    """

    async def open(self) -> None:
        """Make ready what an earlier process held, as Back.LEFT. Raises ConfigError."""
        ...

    async def close(self) -> None:
        """Finish what is being written."""
        ...

    async def put(self, posts: Sequence[Post]) -> None:
        """Add a ready row for each message and queue."""
        ...

    async def take(self, queue: str, limit: int) -> Taken:
        """Hand out up to `limit` rows that are ready or due, oldest first, and count the attempt."""
        ...

    async def delete(self, tags: Collection[Tag]) -> None:
        """Forget these rows."""
        ...

    async def release(self, tags: Mapping[Tag, Back]) -> None:
        """Make these rows ready again."""
        ...

    async def delay(self, tag: Tag, delay_s: float) -> None:
        """Make this row ready after `delay_s`, as one that never returned."""
        ...

    async def move(self, tag: Tag, queue: str, headers: Mapping[str, str]) -> None:
        """Put this row at the end of another queue as a new one, with these headers added to the message's."""
        ...

    async def park(self, tag: Tag, reason: str) -> None:
        """Lay this row aside; the reason is for people who look into the store."""
        ...

    async def unpark(self, queue: str, known: Callable[[Message], bool]) -> int:
        """Make ready, as if new, the parked rows whose message is `known`; return how many."""
        ...

    async def count(self, queue: str) -> Depth:
        """Count the rows of a queue."""
        ...

    async def check(self) -> None:
        """Return if rows can be written now."""
        ...


@dataclass(slots=True)
class _Row:
    message: Message
    state: State = State.READY
    attempts: int = 0
    returned: int = 0
    due: float = -math.inf
    reason: str = ""


class MemoryRows:
    """Rows in memory. `longest` bounds each queue by dropping its oldest row; delays run on the monotonic clock."""

    def __init__(self, *, longest: int | None = None) -> None:
        self._longest = longest
        self._ids = itertools.count(1)
        self._queues: dict[str, dict[int, _Row]] = {}
        self._queue_of: dict[int, str] = {}

    async def open(self) -> None:
        """Do nothing: what was held is gone."""

    async def close(self) -> None:
        """Do nothing: what was written is written."""

    async def put(self, posts: Sequence[Post]) -> None:
        for message, queues in posts:
            for queue in queues:
                self._add(queue, message)

    async def take(self, queue: str, limit: int) -> Taken:
        now = time.monotonic()
        waiting = {i: row for i, row in self._rows(queue).items() if row.state in {State.READY, State.DELAYED}}
        ready = [(row_id, row) for row_id, row in waiting.items() if row.due <= now][:limit]
        for _, row in ready:
            row.state, row.due, row.attempts = State.HELD, -math.inf, row.attempts + 1
        held = [Held(Tag(row_id, row.attempts), row.message, row.returned) for row_id, row in ready]
        if held or not waiting:
            return Taken(held)
        return Taken((), min(row.due for row in waiting.values()) - now)

    async def delete(self, tags: Collection[Tag]) -> None:
        for tag in tags:
            if self._held(tag):
                self._remove(tag.row_id)

    async def release(self, tags: Mapping[Tag, Back]) -> None:
        for tag, why in tags.items():
            if row := self._held(tag):
                row.state = State.READY
                row.attempts -= why == Back.UNSEEN
                row.returned += why == Back.LEFT

    async def delay(self, tag: Tag, delay_s: float) -> None:
        if row := self._held(tag):
            row.state, row.due, row.returned = State.DELAYED, time.monotonic() + delay_s, 0

    async def move(self, tag: Tag, queue: str, headers: Mapping[str, str]) -> None:
        if row := self._held(tag):
            self._remove(tag.row_id)
            self._add(queue, replace(row.message, headers={**row.message.headers, **headers}))

    async def park(self, tag: Tag, reason: str) -> None:
        if row := self._held(tag):
            row.state, row.reason = State.PARKED, reason

    async def unpark(self, queue: str, known: Callable[[Message], bool]) -> int:
        rows = [row for row in self._rows(queue).values() if row.state == State.PARKED and known(row.message)]
        for row in rows:
            row.state, row.attempts, row.returned = State.READY, 0, 0
        return len(rows)

    async def count(self, queue: str) -> Depth:
        states = [row.state for row in self._rows(queue).values()]
        return Depth(
            ready=states.count(State.READY) + states.count(State.DELAYED),
            unsettled=states.count(State.HELD),
            parked=states.count(State.PARKED),
        )

    async def check(self) -> None:
        """Return: memory can always be written."""

    def _rows(self, queue: str) -> dict[int, _Row]:
        return self._queues.setdefault(queue, {})

    def _add(self, queue: str, message: Message) -> None:
        rows = self._rows(queue)
        if self._longest is not None and len(rows) >= self._longest:
            self._remove(next(iter(rows)))
        row_id = next(self._ids)
        rows[row_id] = _Row(message)
        self._queue_of[row_id] = queue

    def _remove(self, row_id: int) -> None:
        del self._queues[self._queue_of.pop(row_id)][row_id]

    def _held(self, tag: Tag) -> _Row | None:
        row = self._queues.get(self._queue_of.get(tag.row_id, ""), {}).get(tag.row_id)
        held = row is not None and row.state == State.HELD and row.attempts == tag.attempt
        return row if held else None
