"""Places on this machine's disk: made, or only looked at, with one clear line when they cannot be used."""

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from services.kit.errors import ConfigError


def make_folder(folder: Path) -> None:
    """Make `folder`, for its owner alone, with its parents; nothing happens when it is there.

    Raises:
        ConfigError: it cannot be made; says what is in the way.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        check_folder(folder)
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from error


def check_folder(folder: Path) -> None:
    """Return if `folder` is there or could be made, and written to. Makes nothing.

    Raises:
        ConfigError: it could not; says what is in the way.
    """
    nearest = next((place for place in (folder, *folder.absolute().parents) if os.path.lexists(place)), folder)
    if not nearest.is_dir():
        raise ConfigError(f"{nearest} is not a folder, as it must be: choose another --data or address")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"the folder {nearest} cannot be written by this user")


def lock_of(path: Path) -> Path:
    """Return the file whose lock says that a process has the SQLite file at `path`."""
    return path.with_name(path.name + ".lock")


def check_file(path: Path) -> None:
    """Raise ConfigError if `path` cannot be a file because it is a folder."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")


def look_at(path: Path) -> str:
    """Say how the SQLite file at `path` is found, without making or changing anything.

    Raises:
        ConfigError: it can be neither used nor made, or another process has it.
    """
    check_file(path)
    check_folder(path.parent)
    if not path.exists():
        return "not there yet, it is made at the first start"
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigError(f"{path} cannot be read and written by this user")
    _check_unused(path)
    try:
        with closing(sqlite3.connect(address_to_look(path), uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"{path} is not a database that this version can use: {error}") from error
    return "reached"


def _check_unused(path: Path) -> None:
    if not lock_of(path).exists():
        return
    try:
        with lock_of(path).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise in_use(path) from None
    except OSError as error:
        raise ConfigError(f"cannot read {lock_of(path)}: {error.strerror}") from error


def in_use(path: Path) -> ConfigError:
    """Return the error of a file that another process has."""
    return ConfigError(f"{path} is in use by another Sightline process; stop it or choose another --data")


def address_to_look(path: Path) -> str:
    """Return the address at which a SQLite file is read without a trace.

    Even a reader makes the files of the log, unless it is told that nothing changes.
    """
    log = path.with_name(path.name + "-wal")
    return f"{path.absolute().as_uri()}?mode=ro{'' if log.exists() else '&immutable=1'}"
