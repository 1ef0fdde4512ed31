"""Memory that was freed, back to the system."""

import ctypes


def give_back() -> None:
    """Return what was freed and is not needed now, where the C library is asked for that (glibc).

    By itself it keeps what lies between pieces that are still in use: after models were loaded and dropped in turn,
    twice as much as the loaded ones need. Blocks for some milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
