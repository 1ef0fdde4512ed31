"""The wall clock of processes, moved while they run, by a few lines of C that are loaded into them.

A time namespace does not move the wall clock, and setting the machine's would hit everybody on it.
"""

import shutil
import struct
import subprocess
from pathlib import Path


class MovedClock:
    """A clock that processes started with `environment` share; monotonic time is not touched."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        compiler = shutil.which("cc")
        assert compiler is not None, "no C compiler (cc) here"
        library = folder / "moved_clock.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
        self._offset = folder / "offset"
        self.environment = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(self._offset)}
        self._offset.write_bytes(struct.pack("q", 0))

    def jump_to(self, offset_s: int) -> None:
        """Be so many seconds off from now on."""
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", offset_s))
