"""What was read from the store a moment ago, by key."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from services.kit.errors import Unavailable
from services.kit.soon import soon

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FRESH_S = 5.0
_PATIENCE_S = 0.5
_MOST = 10_000


class Remembering(Generic[K, V]):
    """Values as `read` returned them; after `fresh_s` each is read again when it is asked for.

    While the store is away, hangs or is slow, what was remembered counts. What is not known is read by each who asks,
    so that what was just made is found; with `missing` it is remembered too that there is nothing.
    """

    def __init__(
        self, read: Callable[[K], Awaitable[V | None]], *, fresh_s: float = FRESH_S, missing: bool = False
    ) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._missing = missing
        self._entries: dict[K, tuple[float, V | None]] = {}
        self._refreshing: dict[K, tuple[float, asyncio.Task[V | None]]] = {}
        self._drops = 0

    async def get(self, key: K) -> V | None:
        """Return the value, None where there is none.

        Raises:
            Unavailable: the store is away or hangs, and nothing is remembered.
        """
        entry = self._entries.get(key)
        if entry is None:
            return await soon(self._fill(key))
        now = time.monotonic()
        if now - entry[0] < self._fresh_s:
            return entry[1]
        began, refreshing = self._refreshing.get(key) or self._refresh(key, now)
        try:
            return await soon(asyncio.shield(refreshing), began + _PATIENCE_S - now)
        except Unavailable:
            return entry[1]

    def drop(self, key: K) -> None:
        """Forget it: it has changed. A read that is under way may have come before that."""
        self._drops += 1
        self._entries.pop(key, None)

    def _refresh(self, key: K, now: float) -> "tuple[float, asyncio.Task[V | None]]":
        """Begin one read for all who ask meanwhile; it goes on when they have what was remembered."""

        def end(task: "asyncio.Task[V | None]") -> None:
            del self._refreshing[key]
            if not task.cancelled():
                task.exception()  # those who waited have it

        refreshing = now, asyncio.create_task(self._fill(key))
        refreshing[1].add_done_callback(end)
        self._refreshing[key] = refreshing
        return refreshing

    async def _fill(self, key: K) -> V | None:
        drops, now = self._drops, time.monotonic()
        value = await self._read(key)
        if value is None and not self._missing:
            self.drop(key)
        elif drops == self._drops:  # else something changed meanwhile, maybe this: not to be remembered
            if len(self._entries) >= _MOST:
                self._entries.pop(next(iter(self._entries)))
            self._entries[key] = now, value
        return value
