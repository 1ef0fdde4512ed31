"""Waiting without polling, and work that is finished even when nobody waits for it any more."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Signal:
    """Wakes everybody who waits. Note `count` before you look, then wait for it to change: nothing is missed."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def wake(self) -> None:
        """Wake all who wait, and those who are about to."""
        self.count += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, seen: int, timeout_s: float | None = None) -> None:
        """Return when `count` is not `seen` any more, or after `timeout_s`."""
        if self.count != seen:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait((future,), timeout=timeout_s)
        finally:
            self._waiting.discard(future)


class Tasks:
    """Work that runs to its end although the one who asked for it may be cancelled."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin `work`, which must handle its own errors unless the caller awaits the task."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`; when the caller is cancelled, `work` still goes on to its end."""
        return await asyncio.shield(self.start(work))

    async def join(self) -> None:
        """Wait for everything that was begun."""
        while self._running:
            await asyncio.wait(self._running)
