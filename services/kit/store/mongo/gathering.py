"""Calls that are made while others are under way, done together: a command costs more than what one row adds to it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 2
"""While one command is under way, the next one begins; who comes then waits for either and shares the third."""
_LONGEST_S = 0.02
"""Nobody waits longer for others' commands to end: a server that hangs must not make its callers queue up."""


class Gathering(Generic[Item, Result]):
    """Does `work`, which takes any number of items up to `most` and returns a result for each, for single items.

    Where nothing is under way an item waits for nothing. `work` begins after the call, so that a read sees every write
    that had returned before.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Result]]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._under_way: set[asyncio.Task[Sequence[Result]]] = set()
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._timer: asyncio.Handle | None = None

    async def do(self, item: Item) -> Result:
        """Return the result of `item`. A caller that is cancelled leaves its item to be done with the others.

        Raises:
            Exception: what `work` raised, to every caller whose item was in it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if self._timer is None:
            # At once is after everybody who is ready has joined.
            at_once = len(self._under_way) < _AT_ONCE
            self._timer = loop.call_soon(self._begin) if at_once else loop.call_later(_LONGEST_S, self._begin)
        if len(self._waiting) >= self._most:
            self._begin()
        return await future

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            group, self._waiting = self._waiting, []
            task = asyncio.get_running_loop().create_task(self._work([item for item, _ in group]))
            self._under_way.add(task)
            task.add_done_callback(lambda task: self._end(task, [future for _, future in group]))

    def _end(self, task: "asyncio.Task[Sequence[Result]]", futures: Sequence["asyncio.Future[Result]"]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        results = [None] * len(futures) if task.cancelled() or error is not None else task.result()
        for future, result in zip(futures, results, strict=True):
            if future.done():
                continue  # its caller has gone
            if task.cancelled():
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(cast("Result", result))
        if len(self._under_way) < _AT_ONCE:
            self._begin()
