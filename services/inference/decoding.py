"""A bounded pool of threads, each with a decoding child process of its own.

A thread waits while its child works, so that nothing here holds the event loop or the interpreter's lock. Children
start when there is work for them, and are replaced when an image brings one down.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from contracts.http.models import ManifestInput
from services.inference.child_process import Child
from services.inference.decode_messages import Question, Reply
from services.kit.errors import PlatformError, Refused, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

_LIMIT_S = 30.0
"""Longest time for one image, and for a child to start; the largest images allowed take about one second."""
_TRIES = 2
_OURS = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000002000000020802000000fdd49a730000000e4944415478da6368000306"
    "0805002a0e060108f60ca10000000049454e44ae426082"
)
"""A PNG of 2 x 2 pixels."""


class DecoderBroken(PlatformError):  # noqa: N818 - reads as what happened
    """Decoding fails whatever the image is: no image is to blame."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Pixels in the size and colour of a model, uint8 (height, width, channels).

    `width` and `height` are those of the picture, its orientation applied, before it was resized.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    decode_s: float
    resize_s: float


Decode = Callable[[bytes, ManifestInput], Decoded]
"""Blocks; raises Refused about the image, Unavailable when no child can be started."""


class DecodePool:
    """Runs jobs that decode; at most `threads` at once."""

    def __init__(self, threads: int, *, max_pixels: int, limit_s: float = _LIMIT_S) -> None:
        self._max_pixels = max_pixels
        self._limit_s = limit_s
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._own = threading.local()
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._problem = ""

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin to start a first child; leaving `stack` ends the threads and their children."""
        stack.push_async_callback(asyncio.to_thread, self._close)
        self._executor.submit(self._warm)

    async def run(self, job: Callable[[Decode], T]) -> T:
        """Return what `job` returns when a thread of the pool runs it with that thread's decoder."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, job, self.decode)

    def decode(self, data: bytes, wanted: ManifestInput) -> Decoded:
        """Return the pixels of `data` as `wanted`. Blocks; call it in a job.

        Raises:
            Refused: the image cannot be used; a code of `services.inference.decode.decode`.
            DecoderBroken: no image can be used.
            Unavailable: no child can be started.
        """
        try:
            return self._decode(data, wanted)
        except Refused as refused:
            if refused.code == "image_corrupt":
                self._prove(wanted)
            raise

    async def check(self) -> None:
        """Return unless the last child could not be started; raise Unavailable then."""
        if self._problem:
            raise Unavailable(f"images cannot be decoded: {self._problem}; is there memory, and room for processes?")

    def _prove(self, wanted: ManifestInput) -> None:
        """Tell a fault of an image from a fault of ours."""
        try:
            self._decode(_OURS, wanted)
        except Refused as refused:
            raise DecoderBroken(f"not even an image of ours can be decoded: {refused}") from None

    def _decode(self, data: bytes, wanted: ManifestInput) -> Decoded:
        for _ in range(_TRIES):
            child = self._child()
            try:
                reply, pixels = child.ask(Question(wanted=wanted), data, answer=Reply, limit_s=self._limit_s)
            except TimeoutError:
                self._drop(child)
                raise Refused("image_corrupt", f"decoding takes longer than {self._limit_s:g} s") from None
            except (EOFError, OSError):
                self._drop(child)  # it may have been killed from outside: the image gets a second chance
                continue
            if reply.code is not None:
                raise Refused(reply.code, reply.detail)
            shaped = np.frombuffer(pixels, np.uint8).reshape(wanted.height, wanted.width, wanted.channels)
            return Decoded(shaped, reply.width, reply.height, reply.decode_s, reply.resize_s)
        log.error("inference.decoder_crashed", image_bytes=len(data))
        raise Refused("image_corrupt", "the decoder crashes on it")

    def _child(self) -> Child:
        child: Child | None = getattr(self._own, "child", None)
        if child is None:
            child = self._started()
            with self._lock:
                self._children.add(child)
            self._own.child = child
        return child

    def _started(self) -> Child:
        try:
            child = Child(
                "services.inference.decode_child",
                str(self._max_pixels),
                limit_s=self._limit_s,
                OPENCV_IO_MAX_IMAGE_PIXELS=str(self._max_pixels),
            )
        except Unavailable as error:
            self._problem = str(error)
            raise
        self._problem = ""
        return child

    def _drop(self, child: Child) -> None:
        self._own.child = None
        with self._lock:
            self._children.discard(child)
        child.close()

    def _warm(self) -> None:
        try:
            self._child()
        except Unavailable as error:
            log.warning("inference.decoder_not_started", error=str(error))  # the first image will try again

    def _close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.close()
