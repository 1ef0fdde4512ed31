"""A platform of the demo's own: a process on a free port."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_READY = re.compile(rb"ready: (http://\S+)")
_START_S = 60.0
_STOP_S = 20.0


def environment() -> dict[str, str]:
    """This process's environment without the user's own settings: the demo must run the same everywhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}


@contextmanager
def child(
    command: Sequence[str], *, settings: Mapping[str, str] | None = None, log: Path | None = None, feed: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module, with these settings, as a process that does not outlive this block.

    With a `log` its standard output is piped to us and its standard error goes there; without, both are ours. With
    `feed` its standard input is a pipe.
    """
    errors = log.open("ab") if log is not None else None
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
            [sys.executable, "-m", *command],
            env={**environment(), **(settings or {})},
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE if log is not None else None,
            stderr=errors,
        )
    finally:
        if errors is not None:
            errors.close()
    try:
        yield process
    finally:
        _end(process)


@contextmanager
def started(folder: Path, servers: Mapping[str, str]) -> Iterator[str]:
    """Run a platform that keeps everything under `folder`; give its address once it is ready.

    `servers` are settings that say where a bus or a store is. They hold passwords, and every user of a machine may
    read the arguments of its processes: they travel in the environment.

    Raises:
        RuntimeError: it did not get ready.
    """
    log = folder / "platform.log"
    command = ["sightline", "up", "--port", "0", "--data", str(folder / "data")]
    with child(command, settings=servers, log=log) as process:
        yield _address(process, log)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    if process.stdout is None:
        raise RuntimeError("its standard output is not a pipe")
    deadline = time.monotonic() + _START_S
    said = b""
    while (left_s := deadline - time.monotonic()) > 0 and select.select([process.stdout], [], [], left_s)[0]:
        part = os.read(process.stdout.fileno(), 65536)
        said += part
        if match := _READY.search(said):
            return match[1].decode()
        if not part:
            break
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise RuntimeError("\n".join(["the platform did not get ready:", *last]))


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            pipe.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
