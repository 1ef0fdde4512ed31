"""Calling IRBEM, Fortran that writes remarks to standard output, where a program expects ours."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Read when the library is loaded: what it keeps in a buffer would come out later, beside what we print.
os.environ.setdefault("GFORTRAN_UNBUFFERED_PRECONNECTED", "1")

_STDOUT = 1


@contextmanager
def unheard() -> Iterator[None]:
    """Drop what is written to the process's standard output meanwhile, below Python."""
    sys.stdout.flush()
    kept = os.dup(_STDOUT)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, _STDOUT)
        yield
    finally:
        os.dup2(kept, _STDOUT)
        os.close(null)
        os.close(kept)
