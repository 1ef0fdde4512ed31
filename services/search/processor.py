"""The processor of a worker: one thread that computes. A process takes one core, and reads and writes meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Processor:
    """Computes what it is given, one thing at a time, in order."""

    def __init__(self, stack: AsyncExitStack) -> None:
        """Open it; leaving `stack` ends it once the work in hand is done."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        stack.callback(self._thread.shutdown, wait=True, cancel_futures=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns. A caller that is cancelled leaves it to its end."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))
