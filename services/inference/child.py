"""What the service's child processes share: how they are started, and the limits that they lay on themselves.

Images and models come from outside and are read by large C++ libraries. A child of its own, with a limit on memory,
keeps a bad one from taking the worker with it.
"""

import contextlib
import os
import resource
import sys
from pathlib import Path

_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs `module` by our interpreter; nothing is taken from the current folder."""
    return [sys.executable, "-P", "-B", "-m", module, *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return what a child may know: where code lies, and never a setting or a secret of ours."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # Threads of a linear algebra library that nobody uses here would only reserve memory.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return kept | single | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | more


def restrict(*, memory_bytes: int, processor_s: int | None = None, file_bytes: int | None = None) -> None:
    """Limit this process: address space, processor time, the size of written files; no core dumps.

    When the machine runs out of memory all the same, the kernel is to choose this process.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, memory_bytes)
    if processor_s is not None:
        _limit(resource.RLIMIT_CPU, processor_s)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if file_bytes is not None:
        _limit(resource.RLIMIT_FSIZE, file_bytes)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (ValueError, OSError):
        if sys.platform == "linux":
            raise  # elsewhere some limits do not exist; there the child alone must do
