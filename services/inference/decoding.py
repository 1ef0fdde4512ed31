"""A bounded pool of decoders, as many of them as there is work for.

A thread waits while its decoder's child works, so that nothing here holds the event loop or the interpreter's lock.
One decoder is begun with. Another is added when images wait and those that there are work most of the time, or hang: a
child holds 70 MB, and beside a model that takes longer than decoding a second one would only idle.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TypeVar

import structlog

from services.inference.decoder import Decode, Decoder
from services.kit.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

_LIMIT_S = 30.0
"""Longest time for one image, and for a child to start; the largest images allowed take about one second."""
_LOOK_S = 0.3
_MOST_SHARE = 0.6
"""Of a processor, for each decoder; on a machine that is busy with other things nobody comes near to a whole one."""
_HANGS_S = 2.0
_PAUSE_S = 10.0
"""Until another is tried after one that could not be started."""


class _Place:
    """A decoder and the thread that uses it, for one job at a time.

    `worked_s` is how many seconds of a processor both have worked; `since_s` when the job in hand was begun.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self.since_s: float | None = None
        self._worked_s = 0.0

    @property
    def worked_s(self) -> float:
        return self._worked_s + self.decoder.worked_s

    def work(self, job: Callable[[Decode], T]) -> T:
        began_s = time.thread_time()
        try:
            return job(self.decoder.decode)
        finally:
            self._worked_s += time.thread_time() - began_s

    def warm(self) -> None:
        try:
            self.decoder.start()
        except Unavailable as error:
            log.warning("inference.decoder_not_started", error=str(error))  # the first image will try again

    def close(self) -> None:
        self.thread.shutdown(wait=True, cancel_futures=True)
        self.decoder.close()


class DecodePool:
    """Runs jobs that decode; at most `most` at once."""

    def __init__(self, most: int, *, max_pixels: int, limit_s: float = _LIMIT_S) -> None:
        self._most = most
        self._max_pixels = max_pixels
        self._limit_s = limit_s
        self._places: list[_Place] = []
        self._free: asyncio.LifoQueue[_Place] = asyncio.LifoQueue()  # the last one's memory is still in the caches
        self._looked_s = time.monotonic()
        self._worked_s = 0.0
        self._pausing_until_s = 0.0

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin to start a first child; leaving `stack` ends the threads and their children."""
        stack.push_async_callback(asyncio.to_thread, self._close)
        self._add()

    async def run(self, job: Callable[[Decode], T]) -> T:
        """Return what `job` returns when a thread of the pool runs it with a decoder that is its own meanwhile."""
        place = await self._take()
        work = place.thread.submit(place.work, job)
        self._return(place, after=work)
        return await asyncio.wrap_future(work)

    async def check(self) -> None:
        """Return unless a child could not be started when it was needed; raise Unavailable then."""
        for place in self._places:
            if problem := place.decoder.problem:
                raise Unavailable(f"images cannot be decoded: {problem}; is there memory, and room for processes?")

    @property
    def children(self) -> list[int]:
        """The processes that decode."""
        return [pid for place in self._places if (pid := place.decoder.pid) is not None]

    async def _take(self) -> _Place:
        if self._free.qsize() == len(self._places):
            self._look()  # what comes after a rest is measured from here
        while True:
            if self._free.empty() and len(self._places) < self._most and self._is_busy():
                self._add_another()
            try:
                async with asyncio.timeout(_LOOK_S):
                    place = await self._free.get()
            except TimeoutError:
                continue
            place.since_s = time.monotonic()
            return place

    def _is_busy(self) -> bool:
        """Say whether the decoders have worked most of the time for a while, without a rest.

        Who hangs works little and is no help either.
        """
        now_s = time.monotonic()
        if now_s < self._pausing_until_s or any(place.decoder.pid is None for place in self._places):
            return False  # one could not be started, or is just starting
        if any(place.since_s is not None and now_s - place.since_s > _HANGS_S for place in self._places):
            return True
        elapsed_s = now_s - self._looked_s
        if elapsed_s < _LOOK_S:
            return False
        return self._look() / elapsed_s / len(self._places) > _MOST_SHARE

    def _look(self) -> float:
        """Return how many seconds of a processor all have worked since the last look."""
        before_s, self._worked_s = self._worked_s, sum(place.worked_s for place in self._places)
        self._looked_s = time.monotonic()
        return self._worked_s - before_s

    def _add_another(self) -> None:
        try:
            self._add()
        except RuntimeError as error:
            log.warning("inference.decoder_not_started", error=str(error))

    def _add(self) -> None:
        place = _Place(Decoder(max_pixels=self._max_pixels, limit_s=self._limit_s))
        warming = place.thread.submit(place.warm)
        self._places.append(place)
        self._return(place, after=warming)

    def _return(self, place: _Place, *, after: "Future[T]") -> None:
        """Let others have it once its thread is done, which may be long after its caller has gone."""
        loop = asyncio.get_running_loop()
        after.add_done_callback(lambda _: loop.call_soon_threadsafe(self._take_back, place))

    def _take_back(self, place: _Place) -> None:
        place.since_s = None
        others = [other for other in self._places if other is not place]
        if place.decoder.problem and any(other.decoder.pid is not None for other in others):
            self._places = others  # they go on, until there is room for one more
            self._pausing_until_s = time.monotonic() + _PAUSE_S
            self._worked_s -= place.worked_s
            place.thread.shutdown(wait=False)
        else:
            self._free.put_nowait(place)

    def _close(self) -> None:
        for place in self._places:
            place.close()
