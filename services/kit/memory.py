"""The C library's memory: few arenas, and large blocks given back. Nothing here has an effect without glibc."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_LARGE_BYTES = 256 * 1024
_LARGEST_BYTES = 32 * 1024 * 1024
"""What glibc's own threshold grows to; it keeps twice as much at the end of the heap then."""


def spare_memory() -> None:
    """Let all threads of this process share two arenas, and give large blocks back; to be called before any starts.

    glibc gives eight arenas to each processor, and each keeps what its threads once needed. The threads that talk to
    the database take turns in sending megabytes, which added 40 MB to a result store; none of them needs an arena of
    its own, since Python runs one at a time. And once a large block was freed, glibc keeps the next ones, between
    which smaller ones settle: another 7 MB.
    """
    _set(_M_ARENA_MAX, _ARENAS)
    _set(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def keep_large_blocks() -> None:
    """Keep what is freed for the next time: a model asks for the same megabytes in each run, and new ones cost time."""
    _set(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
    _set(_M_TRIM_THRESHOLD, 2 * _LARGEST_BYTES)


def _set(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(option, value)
