"""The Store port on one SQLite file (`sqlite:///PATH`): for one process, nothing to install."""

import asyncio
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from services.kit.clock import Clock, SystemClock
from services.kit.database import Database
from services.kit.store.micros import to_micros
from services.kit.store.records import DetectorRecord, EntryRecord, ModelRecord, SourceRecord, TokenRecord
from services.kit.store.sqlite_blobs import SqliteBlobs
from services.kit.store.sqlite_claims import SqliteClaims
from services.kit.store.sqlite_data_products import SqliteDataProducts
from services.kit.store.sqlite_dead_letters import SqliteDeadLetters
from services.kit.store.sqlite_ephemeris import SqliteEphemeris
from services.kit.store.sqlite_queries import SqliteQueries
from services.kit.store.sqlite_records import SqliteRecords
from services.kit.store.sqlite_schema import SCHEMA, verify_format
from services.kit.store.sqlite_search_rows import SqliteSearchRows

log = structlog.get_logger(__name__)

_CHECK = "INSERT INTO checks VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at"


class SqliteStore:
    """A store in a file. Enter it once; it belongs to one process at a time.

    Every write is on disk when it returns. Reads run beside writes; writes run one after the other, and those that
    wait together share one commit.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._database = Database(path, SCHEMA)
        self.queries = SqliteQueries(self._database, self._clock)
        self.claims = SqliteClaims(self._database, self._clock)
        self.images = SqliteBlobs(self._database, "images")
        self.model_files = SqliteBlobs(self._database, "model_files")
        self.search_rows = SqliteSearchRows(self._database)
        self.detectors = SqliteRecords(self._database, "detector", DetectorRecord)
        self.models = SqliteRecords(self._database, "model", ModelRecord)
        self.tokens = SqliteRecords(self._database, "token", TokenRecord)
        self.entries = SqliteRecords(self._database, "entry", EntryRecord)
        self.sources = SqliteRecords(self._database, "source", SourceRecord)
        self.ephemeris = SqliteEphemeris(self._database)
        self.data_products = SqliteDataProducts(self._database)
        self.dead_letters = SqliteDeadLetters(self._database)

    async def __aenter__(self) -> Self:
        """See `port.Store`."""
        await asyncio.to_thread(self._open)
        log.info("store.opened", adapter="sqlite", path=str(self._path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `port.Store`."""
        await asyncio.to_thread(self._database.close)
        log.info("store.closed", adapter="sqlite")

    async def check(self) -> None:
        """Write and read a row: a full or read-only disk still reads."""
        now = to_micros(self._clock.now())

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_CHECK, (now,))

        def read(connection: sqlite3.Connection) -> None:
            connection.execute("SELECT checked_at FROM checks").fetchone()

        await self._database.write(write)
        await self._database.read(read)

    def _open(self) -> None:
        verify_format(self._path)
        self._database.open()
