"""One after the other where it matters: batches that are written side by side, and have a query in common."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from services.kit.store.documents import QueryKey


class Turns:
    """Lets the holders of a key in one after the other, in the order in which they came.

    A query's answer must not overtake its question: whoever read between the two would find an answer to nothing.
    """

    def __init__(self) -> None:
        self._last: dict[QueryKey, asyncio.Event] = {}

    @asynccontextmanager
    async def of(self, keys: Collection[QueryKey]) -> AsyncIterator[None]:
        """Hold `keys` once all who came for one of them before are through."""
        before = {self._last[key] for key in keys if key in self._last}
        through = asyncio.Event()
        self._last.update(dict.fromkeys(keys, through))  # before anything is awaited: who comes now waits for us
        try:
            for event in before:
                await event.wait()
            yield
        finally:
            through.set()
            for key in keys:
                if self._last.get(key) is through:
                    del self._last[key]
