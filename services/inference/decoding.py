"""A bounded pool of threads, each with a decoding child process of its own.

A thread waits while its child works, so that nothing here holds the event loop or the interpreter's lock. Children
start when there is work for them, and are replaced when an image brings one down.
"""

import asyncio
import contextlib
import fcntl
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from contracts.http.models import ManifestInput
from services.inference.child import command, environment
from services.inference.decode_child import READY
from services.inference.decode_messages import LENGTHS, Question, Reply, pack
from services.kit.errors import Refused, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

_LIMIT_S = 30.0
"""Longest time for one image, and for a child to start; the largest images allowed take about one second."""
_TRIES = 2
_CHUNK_BYTES = 1 << 20


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
        self._children: set[_Child] = set()

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
            Unavailable: no child can be started.
        """
        for _ in range(_TRIES):
            child = self._child()
            try:
                reply, pixels = child.ask(Question(wanted=wanted), data, self._limit_s)
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

    def _child(self) -> "_Child":
        child: _Child | None = getattr(self._own, "child", None)
        if child is None:
            child = _Child(self._max_pixels, self._limit_s)
            with self._lock:
                self._children.add(child)
            self._own.child = child
        return child

    def _drop(self, child: "_Child") -> None:
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


class _Child:
    """One `decode_child` process, used by one thread at a time."""

    def __init__(self, max_pixels: int, limit_s: float) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command("services.inference.decode_child", str(max_pixels)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(OPENCV_IO_MAX_IMAGE_PIXELS=str(max_pixels)),
                start_new_session=True,  # Ctrl-C is for the worker, which drains first
                bufsize=0,
            )
        except OSError as error:
            raise Unavailable(f"cannot start a decoder: {error.strerror}") from error
        self._in, self._out = _descriptor(self._process.stdin), _descriptor(self._process.stdout)
        try:
            ready = self._read(len(READY), time.monotonic() + limit_s)
        except (EOFError, OSError) as error:  # TimeoutError is an OSError
            self.close()
            raise Unavailable("a decoder process does not start") from error
        if ready != READY:
            self.close()
            raise Unavailable("a decoder process does not start")

    def ask(self, question: Question, data: bytes, limit_s: float) -> tuple[Reply, bytearray]:
        """Send an image and wait for its pixels.

        Raises:
            TimeoutError: it took longer than `limit_s`.
            EOFError, OSError: the child is gone.
        """
        deadline = time.monotonic() + limit_s
        self._write(pack(question, len(data)), deadline)
        self._write(data, deadline)
        head_bytes, body_bytes = LENGTHS.unpack(self._read(LENGTHS.size, deadline))
        reply = Reply.model_validate_json(bytes(self._read(head_bytes, deadline)))
        return reply, self._read(body_bytes, deadline)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def _write(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            _await(self._in, select.POLLOUT, deadline)
            rest = rest[os.write(self._in, rest[:_CHUNK_BYTES]) :]

    def _read(self, size: int, deadline: float) -> bytearray:
        data = bytearray()
        while len(data) < size:
            _await(self._out, select.POLLIN, deadline)
            chunk = os.read(self._out, min(size - len(data), _CHUNK_BYTES))
            if not chunk:
                raise EOFError
            data += chunk
        return data


def _descriptor(stream: object) -> int:
    number: int = stream.fileno()  # type: ignore[attr-defined]
    os.set_blocking(number, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # above what this user may have: smaller pieces then
            fcntl.fcntl(number, fcntl.F_SETPIPE_SZ, _CHUNK_BYTES)
    return number


def _await(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
