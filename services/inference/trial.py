"""Trying a model file in a child process that can be given up."""

import asyncio
import math
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.http.models import Manifest
from services.inference.check_messages import Trial, Verdict
from services.inference.child import command, environment
from services.kit.errors import Unavailable

_MOST_OUTPUT_BYTES = 64 * 1024
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP})


async def try_model(data: bytes, manifest: Manifest, *, limit_s: float, memory_bytes: int) -> Verdict:
    """Return what a trial run of the file says, within `limit_s` and some. The child is killed on cancellation.

    Raises:
        Unavailable: the child could not be started, or ended for a reason that is not the file's.
    """
    with tempfile.TemporaryDirectory(prefix="sightline-model-") as folder:
        path = Path(folder) / "model.onnx"
        await asyncio.to_thread(path.write_bytes, data)
        trial = Trial(path=str(path), manifest=manifest, memory_bytes=memory_bytes, processor_s=math.ceil(limit_s))
        async with _started() as process:
            try:
                async with asyncio.timeout(limit_s):
                    line = await _converse(process, trial)
            except TimeoutError:
                return _too_slow(limit_s)
            if line:
                return Verdict.model_validate_json(line)
            return _verdict_of_end(await process.wait(), limit_s)


@asynccontextmanager
async def _started() -> AsyncIterator[asyncio.subprocess.Process]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command("services.inference.check_child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,  # Ctrl-C is for the worker, which drains first
            limit=_MOST_OUTPUT_BYTES,
        )
    except OSError as error:
        raise Unavailable(f"cannot start the trial of a model: {error.strerror}") from error
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.communicate()  # closes the pipes and waits for the end


async def _converse(process: asyncio.subprocess.Process, trial: Trial) -> bytes:
    """Send the trial; return the verdict's line, empty when the child ended without one."""
    if process.stdin is None or process.stdout is None:
        raise Unavailable("the trial of a model has no pipes")
    process.stdin.write(trial.model_dump_json().encode() + b"\n")
    try:
        await process.stdin.drain()
        line = await process.stdout.readline()
    except ConnectionError:
        return b""
    return line if line.endswith(b"\n") else b""


def _verdict_of_end(code: int, limit_s: float) -> Verdict:
    """Judge a child that ended without a verdict."""
    if code == -signal.SIGXCPU:
        return _too_slow(limit_s)
    if -code in _CRASHES:
        name = signal.Signals(-code).name
        return Verdict(accepted=False, reason="crashed", detail=f"the trial run crashed with {name}")
    raise Unavailable(f"the trial of a model ended early with the exit code {code}")


def _too_slow(limit_s: float) -> Verdict:
    return Verdict(accepted=False, reason="too_slow", detail=f"the trial run takes longer than {limit_s:g} s")
