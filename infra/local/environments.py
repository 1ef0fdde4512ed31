"""Virtual environments for other people's programs, made once per machine outside the repository.

Each is installed from a requirements file with hashes. It is named by what is in that file, so that another version is
another environment.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path


def python_of(requirements: Path, *, group: str, name: str) -> Path:
    """Return the interpreter of the environment with `requirements`, made now if it is missing. That needs PyPI."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    full = f"{name}-{sys.version_info.major}.{sys.version_info.minor}-{digest}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sightline" / group
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / full
    with (cache / f"{full}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder, requirements)
    return folder / "bin" / "python"


def _make(folder: Path, requirements: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603 - our own interpreter
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([str(folder / "bin" / "python"), *install, "-r", str(requirements)], check=True)  # noqa: S603
    (folder / "complete").touch()
