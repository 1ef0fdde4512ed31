"""One run of a model at a time: two at once would share the processors and both be late."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.inference.engine import LoadedModel
from services.inference.preprocess import Batch
from services.kit.metrics import Metrics

T = TypeVar("T")

_LIMIT_S = 60.0
"""Longest run; a graph may loop for ever on some input."""


class Runner:
    """The thread in which models run."""

    def __init__(self, metrics: Metrics, *, limit_s: float = _LIMIT_S) -> None:
        self._metrics = metrics
        self._limit_s = limit_s
        self._turn = asyncio.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="run-model")

    async def start(self, stack: AsyncExitStack) -> None:
        """Leaving `stack` ends the thread."""
        stack.push_async_callback(asyncio.to_thread, self._executor.shutdown, wait=True, cancel_futures=True)

    async def run(self, model: LoadedModel, batch: Batch, read: Callable[[NDArray[np.floating]], T]) -> tuple[T, float]:
        """Return what `read` makes of the outputs, and the seconds of the run. Waits for its turn first.

        A run that takes too long, or whose caller is cancelled, is stopped.

        Raises:
            RunFailed: see `engine.LoadedModel.run`.
        """
        loop = asyncio.get_running_loop()
        async with self._turn:
            alarm = loop.call_later(self._limit_s, model.stop)
            try:
                return await loop.run_in_executor(self._executor, self._run, model, batch, read)
            except asyncio.CancelledError:
                model.stop()
                raise
            finally:
                alarm.cancel()

    def _run(self, model: LoadedModel, batch: Batch, read: Callable[[NDArray[np.floating]], T]) -> tuple[T, float]:
        began = time.perf_counter()
        outputs = model.run(batch)
        seconds = time.perf_counter() - began
        self._metrics.inference_seconds.observe(seconds)
        return read(outputs), seconds
