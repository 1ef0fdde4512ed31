"""Folders of running servers, and what killed runs left in them.

Each server has a folder in one base folder of this user. The folder names its owner (the process that started the
server) and every process started for it, each with its start time, so that a recycled process ID is never mistaken
for one of ours. `sweep` ends and removes what belongs to owners that are gone.
"""

import json
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_OWNER = "owner.json"
_STARTED = "processes.json"
_YOUNG_S = 10.0


def base_folder() -> Path:
    """The folder in which this user's servers live; made when missing."""
    folder = Path(tempfile.gettempdir()) / f"sightline-servers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def make_folder(kind: str) -> Path:
    """A new folder that belongs to this process."""
    folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=base_folder()))
    (folder / _OWNER).write_text(json.dumps(identity(os.getpid())))
    return folder


def record(folder: Path, pid: int) -> None:
    """Remember that process `pid`, the leader of its group, was started for this folder."""
    known = _recorded(folder)
    (folder / _STARTED).write_text(json.dumps([*known, identity(pid)]))


def remove(folder: Path) -> None:
    """End what still runs for this folder and remove it."""
    for pid, started in _recorded(folder):
        if identity(pid) == (pid, started):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> list[Path]:
    """Remove the folders, and end the processes, of owners that are gone; return those folders."""
    gone = [folder for folder in base_folder().iterdir() if folder.is_dir() and not _owned(folder)]
    for folder in gone:
        remove(folder)
    return gone


def _owned(folder: Path) -> bool:
    try:
        pid, started = json.loads((folder / _OWNER).read_text())
    except (OSError, ValueError):
        return _is_young(folder)
    return identity(pid) == (pid, started)


def _is_young(folder: Path) -> bool:
    """Whether its maker may still be about to write its name."""
    with suppress(OSError):
        return time.time() - folder.stat().st_mtime < _YOUNG_S
    return False


def _recorded(folder: Path) -> list[tuple[int, str]]:
    try:
        return [(int(pid), str(started)) for pid, started in json.loads((folder / _STARTED).read_text())]
    except (OSError, ValueError):
        return []


def identity(pid: int) -> tuple[int, str]:
    """The process ID with its start time, which is empty when there is no such process."""
    with suppress(OSError):
        return pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return pid, ""
