"""Starting, watching and ending one server process."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from infra.local import folders
from infra.local.errors import ServerFailedError

_PAUSE_S = 0.1
_PORTS = range(20_000, 32_768)
_LOG_TAIL = 3000


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports of the loopback that nobody listens on now.

    They are below those that the system gives to outgoing connections: a client that keeps trying to reach a stopped
    server on one of those is, sooner or later, given the very port that it calls, meets itself, and takes the port.
    """
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        while len(sockets) < count:
            each = stack.enter_context(socket.socket())
            with suppress(OSError):
                each.bind(("127.0.0.1", secrets.choice(_PORTS)))
                sockets.append(each)
        return [each.getsockname()[1] for each in sockets]


def spawn(
    command: Sequence[str | Path], *, folder: Path, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `command` as the leader of a group of its own, recorded in `folder`, its output appended to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 (the programs are found by us, the arguments are ours)
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    folders.record(folder, process.pid)
    return process


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process and everything it started; nothing happens when they are gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """Ask the group of the process to stop, and kill what is left after `patience_s`."""
    signal_group(process, signal.SIGCONT)
    signal_group(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the group of the process as kill -9 does, and wait until its leader is gone."""
    signal_group(process, signal.SIGKILL)
    process.wait()


def wait_until(
    ready: Callable[[], bool], *, process: subprocess.Popen[bytes], logs: Sequence[Path], timeout_s: float
) -> None:
    """Block until `ready()`; `logs` are what an error quotes.

    Raises:
        ServerFailedError: the process ended, or `timeout_s` passed, before that.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None:
            raise ServerFailedError(f"{process.args!r} ended with status {process.returncode}:\n{tail(logs)}")
        if time.monotonic() > deadline:
            raise ServerFailedError(f"{process.args!r} was not ready after {timeout_s:.0f} s:\n{tail(logs)}")
        time.sleep(_PAUSE_S)


def tail(logs: Sequence[Path]) -> str:
    """What the logs said last."""
    return "\n".join(log.read_text(errors="replace")[-_LOG_TAIL:] for log in logs if log.exists())
