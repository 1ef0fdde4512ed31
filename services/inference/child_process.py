"""A child process as its worker sees it: questions go in, answers come out, and it may die at any time."""

import contextlib
import fcntl
import os
import select
import subprocess
import time
from collections.abc import Sequence

from services.inference.child import command, environment
from services.inference.child_messages import LENGTHS, READY, Head, HeadT, pack
from services.kit.errors import Unavailable

_CHUNK_BYTES = 1 << 20


class Child:
    """A process that runs a module of ours and answers questions, used by one thread at a time."""

    def __init__(
        self, module: str, *arguments: str, limit_s: float, inherited: Sequence[int] = (), **variables: str
    ) -> None:
        """Start it and wait until it is ready. It inherits these descriptors, under their numbers.

        Raises:
            Unavailable: it does not start.
        """
        self.name = module.rpartition(".")[2]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command(module, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(**variables),
                start_new_session=True,  # Ctrl-C is for the worker, which drains first
                bufsize=0,
                pass_fds=inherited,
            )
        except OSError as error:
            raise Unavailable(f"{self.name} cannot be started: {error.strerror}") from error
        self._in, self._out = _descriptor(self._process.stdin), _descriptor(self._process.stdout)
        try:
            ready = self._read(len(READY), time.monotonic() + limit_s)
        except (EOFError, OSError) as error:  # TimeoutError is an OSError
            self.close()
            raise Unavailable(f"{self.name} does not start") from error
        if ready != READY:
            self.close()
            raise Unavailable(f"{self.name} does not start")

    def ask(
        self, head: Head, *bodies: bytes | memoryview, answer: type[HeadT], limit_s: float
    ) -> tuple[HeadT, bytearray]:
        """Send a question, its body in parts, and wait for the answer.

        Raises:
            TimeoutError: it took longer than `limit_s`.
            EOFError, OSError: the child is gone.
        """
        deadline = time.monotonic() + limit_s
        parts = [memoryview(body).cast("B") for body in bodies]
        self._write(memoryview(pack(head, sum(len(part) for part in parts))), deadline)
        for part in parts:
            self._write(part, deadline)
        head_bytes, body_bytes = LENGTHS.unpack(self._read(LENGTHS.size, deadline))
        reply = answer.model_validate_json(bytes(self._read(head_bytes, deadline)))
        return reply, self._read(body_bytes, deadline)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def kill(self) -> None:
        """End the process, from any thread: who waits for its answer gets an EOFError."""
        self._process.kill()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def _write(self, rest: memoryview, deadline: float) -> None:
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
