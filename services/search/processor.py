"""The processor of a worker: one thread that computes. A process takes one core, and reads and writes meanwhile."""

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from itertools import count
from typing import Protocol, TypeVar

T = TypeVar("T")

_OVERTAKEN = 4
"""Work of a short search comes before that of a long one which came up to so many pieces of work earlier."""


class Compute(Protocol):
    """Runs work on a processor and returns what it returns."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """A caller that is cancelled leaves work that has begun to its end."""
        ...


class Processor:
    """Computes what it is given, one thing at a time: in order, but what is short may overtake a little."""

    def __init__(self, stack: AsyncExitStack) -> None:
        """Open it; leaving `stack` ends it once the work in hand is done."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        stack.push_async_callback(asyncio.to_thread, self._thread.shutdown, wait=True, cancel_futures=True)
        self._numbers = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._busy = False

    def of(self, *, short: bool) -> Compute:
        """Return the processor as a search sees it that is short, or not."""

        async def compute(work: Callable[[], T]) -> T:
            return await self._run(work, short=short)

        return compute

    async def _run(self, work: Callable[[], T], *, short: bool) -> T:
        loop = asyncio.get_running_loop()
        number, turn = next(self._numbers), loop.create_future()
        heapq.heappush(self._waiting, (number + (0 if short else _OVERTAKEN), number, turn))
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._done()
            raise
        running = loop.run_in_executor(self._thread, work)
        running.add_done_callback(lambda _: self._done())
        return await running

    def _next(self) -> None:
        while self._waiting and not self._busy:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._busy = True
                turn.set_result(None)

    def _done(self) -> None:
        self._busy = False
        self._next()
