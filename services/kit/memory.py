"""The C library's memory: few arenas, so that what a thread frees is used by the others."""

import contextlib
import ctypes

_M_ARENA_MAX = -8
_ARENAS = 2


def share_arenas() -> None:
    """Let all threads of this process share two arenas; to be called before it starts any. Nothing without glibc.

    glibc gives eight arenas to each processor, and each keeps what its threads once needed. The threads that talk to
    the database take turns in sending megabytes, which added 40 MB to a result store; none of them needs an arena of
    its own, since Python runs one at a time.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
