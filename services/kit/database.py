"""One SQLite file: a writer thread that commits in groups, and readers beside it.

Every write is on disk when its call returns (WAL with `synchronous=FULL`); writes that wait at the same time share
one commit, so that many submitters pay for one fsync. The file belongs to one process at a time.
"""

import asyncio
import contextlib
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeVar

from services.kit.errors import ConfigError, Unavailable
from services.kit.places import check_file, in_use, lock_of, make_folder

T = TypeVar("T")

_GROUP = 256
"""Most writes in one commit: bounds how long the first of them waits for the last."""
_READERS = 2
_BUSY_S = 5.0
_STATEMENT_FAULTS = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
}
"""Result codes that blame the statement; all others blame the file, the disk or another process."""


class _Write:
    """A piece of work for the writer thread and the future that waits for its commit."""

    __slots__ = ("error", "future", "loop", "result", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Hand the outcome to the event loop; a caller that has gone away is no error."""

        def deliver() -> None:
            if self.future.done():
                return
            if self.error is not None:
                self.future.set_exception(self.error)
            else:
                self.future.set_result(self.result)

        try:
            self.loop.call_soon_threadsafe(deliver)
        except RuntimeError:  # the loop was closed while we wrote
            return


class Database:
    """A SQLite file with one writer thread and a few readers."""

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._schema = schema
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._closing = threading.Lock()
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock_file: IO[str] | None = None

    def open(self) -> None:
        """Take the file for this process and bring its tables up.

        Raises:
            ConfigError: the folder cannot be written, the file is not ours, or another process has it.
        """
        check_file(self._path)
        make_folder(self._path.parent)
        try:
            self._lock_file = lock_of(self._path).open("w")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close_file()
            raise in_use(self._path) from None
        except OSError as error:
            self._close_file()
            raise ConfigError(f"cannot write {self._path}: {error.strerror}") from error
        try:
            connection = self._connect()
            connection.executescript(self._schema)
        except sqlite3.Error as error:
            self._close_file()
            raise ConfigError(f"{self._path} is not a database that this version can use: {error}") from error
        # A daemon: a process that dies without closing must not hang; what did not return was never promised.
        self._writer = threading.Thread(
            target=self._write_loop, args=(connection,), name=f"write {self._path.name}", daemon=True
        )
        self._writer.start()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix=f"read {self._path.name}")

    def close(self) -> None:
        """Finish the writes that wait, then close. Idempotent; blocks for the last commit."""
        with self._closing:  # after this no write can queue up behind the end
            writer, self._writer = self._writer, None
            readers, self._readers = self._readers, None
            if writer is not None:
                self._writes.put(None)
        if writer is not None:
            writer.join()
        if readers is not None:
            readers.shutdown()
        self._close_file()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the writer thread and return its result once it is committed.

        When `work` raises, only its own changes are undone. Cancelling the caller does not undo the write.

        Raises:
            Unavailable: the file cannot be written, e.g. the disk is full; nothing that shared the commit is.
        """
        item = _Write(work, asyncio.get_running_loop())
        with self._closing:
            if self._writer is None:
                raise Unavailable(f"{self._path.name} is closed")
            self._writes.put(item)
        result: T = await item.future
        return result

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a connection that sees every committed write and cannot write itself.

        Raises:
            Unavailable: the file cannot be read.
        """
        with self._closing:
            if self._readers is None:
                raise Unavailable(f"{self._path.name} is closed")
            reading = asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)
        return await reading

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only=ON")
                self._local.connection = connection
            return work(connection)
        except sqlite3.Error as error:
            translated = self._translate(error)
            if translated is error:
                raise
            raise translated from error

    def _connect(self) -> sqlite3.Connection:
        # check_same_thread: opened by open(), used by the writer; each connection has one user at a time.
        connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._connections.append(connection)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        open_ = True
        while open_:
            first = self._writes.get()
            if first is None:
                return
            group = [first]
            while len(group) < _GROUP and not self._writes.empty():
                item = self._writes.get()
                if item is None:
                    open_ = False
                    break
                group.append(item)
            self._commit(connection, group)

    def _commit(self, connection: sqlite3.Connection, group: list[_Write]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for item in group:
                self._run(connection, item)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # the next BEGIN says so again
                    connection.execute("ROLLBACK")
            for item in group:
                item.error = item.error or self._unavailable(error)
        for item in group:
            item.settle()

    def _run(self, connection: sqlite3.Connection, item: _Write) -> None:
        connection.execute("SAVEPOINT item")
        try:
            item.result = item.work(connection)
        except Exception as error:  # the caller's error goes back to the caller
            item.error = self._translate(error)
            if not connection.in_transaction:  # SQLite gave up all of it, e.g. when the disk failed
                raise sqlite3.OperationalError(f"the commit was given up: {error}") from error
            connection.execute("ROLLBACK TO item")
        connection.execute("RELEASE item")

    def _translate(self, error: Exception) -> Exception:
        code = getattr(error, "sqlite_errorcode", None)  # absent when Python's own module complains
        if code is None or code & 0xFF in _STATEMENT_FAULTS:
            return error
        return self._unavailable(error)

    def _unavailable(self, error: Exception) -> Unavailable:
        unavailable = Unavailable(f"{self._path.name}: {error}")
        unavailable.__cause__ = error
        return unavailable

    def _close_file(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None
