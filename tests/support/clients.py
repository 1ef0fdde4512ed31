"""Virtual environments with other people's clients, made once per machine outside the repository.

    python -m tests.support.clients

Each has a requirements file with hashes beside its tests. The tests make what is missing; `make test` does it before.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "tests" / "clients"


def python_of(client: str, version: str) -> Path:
    """Return the interpreter that has the client in that version, made now if it is missing."""
    requirements = REQUIREMENTS / client / "requirements" / f"{version}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    name = f"{client}-{version}-{sys.version_info.major}.{sys.version_info.minor}-{digest}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sightline" / "clients"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder, requirements)
    return folder / "bin" / "python"


def _make(folder: Path, requirements: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([str(folder / "bin" / "python"), *install, "-r", str(requirements)], check=True)
    (folder / "complete").touch()


def main() -> None:
    """Make every environment that is missing."""
    for requirements in sorted(REQUIREMENTS.glob("*/requirements/*.txt")):
        print(python_of(requirements.parents[1].name, requirements.stem))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
