"""A disk that is small enough to be filled, seen only by the server that is started on it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.local import processes
from infra.local.places import Place

_BALLAST = "ballast"
_CHUNK_BYTES = 64 * 1024
_ANSWER_S = 30.0


class SmallDisk:
    """A file system of its own on a folder. `place` is where its server runs."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.place = Place(entering=("nsenter", "--target", str(holder), "--mount"))
        self._ballast = Path(f"/proc/{holder}/root{folder}") / _BALLAST

    def fill(self, *, leaving_bytes: int = 0) -> None:
        """Take all its room, but for so much."""
        with self._ballast.open("ab", buffering=0) as ballast, suppress(OSError):
            while shutil.disk_usage(self._ballast.parent).free > leaving_bytes:
                os.write(ballast.fileno(), bytes(_CHUNK_BYTES))

    def free(self) -> None:
        """Undo `fill`."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """Mount a small disk on `folder/data` in a namespace that lives as long as its holder; for root."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    script = f"mount -t tmpfs -o size={size_bytes} small '{data}' && echo mounted && exec sleep infinity"
    log = folder / "disk.log"
    holder = processes.spawn(["unshare", "--mount", "sh", "-c", script], folder=folder, log=log)
    try:
        processes.wait_until(lambda: "mounted" in log.read_text(), process=holder, logs=[log], timeout_s=_ANSWER_S)
        yield SmallDisk(data, holder.pid)
    finally:
        processes.kill(holder)
