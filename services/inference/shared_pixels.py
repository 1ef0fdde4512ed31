"""Memory that a worker and its decoding child share: pixels lie there and are not sent.

Sending 150 kB of pixels through a pipe costs a fifth of decoding them.
"""

import contextlib
import mmap
import os
import tempfile


class SharedPixels:
    """Memory of a growing size, made by the worker and opened by the child by its inherited descriptor."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _made() if descriptor is None else descriptor
        self._memory: mmap.mmap | None = None

    def grow(self, size: int) -> None:
        """Make room for `size` bytes; what lay there may be gone. For the worker, before it asks."""
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)

    def view(self, size: int) -> memoryview:
        """Return the first `size` bytes, of which there is room."""
        if self._memory is None or len(self._memory) < size:
            # The old mapping goes with its last view.
            self._memory = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)
        return memoryview(self._memory)[:size]

    def close(self) -> None:
        """Give it up. Views stay valid."""
        self._memory = None
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def _made() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pixels")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
