"""A bounded pool of decoders, as many of them as there is work for.

A thread waits while its decoder's child works, so that nothing here holds the event loop or the interpreter's lock.
One decoder is begun with. Another is added when images wait and those that there are work most of the time: a child
holds 60 MB, and beside a model that takes longer than decoding a second one would only idle.
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
_LOOK_S = 1.0
_MOST_SHARE = 0.6
"""Of a processor, for each decoder; on a machine that is busy with other things nobody comes near to a whole one."""


class DecodePool:
    """Runs jobs that decode; at most `most` at once."""

    def __init__(self, most: int, *, max_pixels: int, limit_s: float = _LIMIT_S) -> None:
        self._most = most
        self._max_pixels = max_pixels
        self._limit_s = limit_s
        self._executor = ThreadPoolExecutor(most, thread_name_prefix="decode")
        self._decoders: list[Decoder] = []
        self._free: asyncio.LifoQueue[Decoder] = asyncio.LifoQueue()  # the last one's memory is still in the caches
        self._looked_s = time.monotonic()
        self._worked_s = 0.0
        self._share = 0.0

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin to start a first child; leaving `stack` ends the threads and their children."""
        stack.push_async_callback(asyncio.to_thread, self._close)
        self._add()

    async def run(self, job: Callable[[Decode], T]) -> T:
        """Return what `job` returns when a thread of the pool runs it with a decoder that is its own meanwhile."""
        if self._free.empty() and len(self._decoders) < self._most and self._busy():
            self._add()
        decoder = await self._free.get()
        work = self._executor.submit(job, decoder.decode)
        self._return(decoder, after=work)
        return await asyncio.wrap_future(work)

    async def check(self) -> None:
        """Return unless a child could not be started when it was needed; raise Unavailable then."""
        for decoder in self._decoders:
            if decoder.problem:
                raise Unavailable(
                    f"images cannot be decoded: {decoder.problem}; is there memory, and room for processes?"
                )

    @property
    def children(self) -> list[int]:
        """The processes that decode."""
        return [decoder.pid for decoder in self._decoders if decoder.pid is not None]

    def _busy(self) -> bool:
        """Say whether the decoders worked most of the time when we last looked, a second ago at most."""
        elapsed_s = time.monotonic() - self._looked_s
        if elapsed_s >= _LOOK_S:
            worked_s = sum(decoder.worked_s for decoder in self._decoders)
            self._share = (worked_s - self._worked_s) / elapsed_s / len(self._decoders)
            self._looked_s, self._worked_s = time.monotonic(), worked_s
        return self._share > _MOST_SHARE

    def _add(self) -> None:
        decoder = Decoder(max_pixels=self._max_pixels, limit_s=self._limit_s)
        self._decoders.append(decoder)
        self._share = 0.0  # what it was says nothing of so many
        self._return(decoder, after=self._executor.submit(_warm, decoder))

    def _return(self, decoder: Decoder, *, after: "Future[T]") -> None:
        """Let others have it once a thread is done with it, which it may be long after its caller has gone."""
        loop = asyncio.get_running_loop()
        after.add_done_callback(lambda _: loop.call_soon_threadsafe(self._take_back, decoder))

    def _take_back(self, decoder: Decoder) -> None:
        if decoder.problem and any(other.pid is not None for other in self._decoders):
            self._decoders.remove(decoder)  # the others do, until there is room for one more
        else:
            self._free.put_nowait(decoder)

    def _close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        for decoder in self._decoders:
            decoder.close()


def _warm(decoder: Decoder) -> None:
    try:
        decoder.start()
    except Unavailable as error:
        log.warning("inference.decoder_not_started", error=str(error))  # the first image will try again
