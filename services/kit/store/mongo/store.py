"""The Store port on MongoDB."""

from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from pymongo.errors import PyMongoError

from services.kit.clock import Clock, SystemClock
from services.kit.store.micros import to_micros
from services.kit.store.mongo.blobs import MongoBlobs
from services.kit.store.mongo.claims import MongoClaims
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.connection import Connection, database_of
from services.kit.store.mongo.data_products import MongoDataProducts
from services.kit.store.mongo.dead_letters import MongoDeadLetters
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.ephemeris import MongoEphemeris
from services.kit.store.mongo.errors import Forbidden, translate
from services.kit.store.mongo.files import MongoFiles
from services.kit.store.mongo.indexes import ensure_indexes
from services.kit.store.mongo.queries import MongoQueries
from services.kit.store.mongo.records import MongoRecords
from services.kit.store.mongo.search_rows import MongoSearchRows
from services.kit.store.mongo.server import verify_server
from services.kit.store.records import DetectorRecord, EntryRecord, ModelRecord, SourceRecord, TokenRecord

log = structlog.get_logger(__name__)

INLINE_BYTES = 15 * 1024 * 1024
"""Bytes up to this lie in the document itself, which may have 16 MiB; larger ones in GridFS."""


class MongoStore:
    """A store in one MongoDB database, shared by any number of processes. Enter it once, inside its event loop.

    Every write is asked for with majority and journal, every read with majority from the primary. The server removes
    what has expired by its own clock; reads and `purge` go by `clock`.
    """

    def __init__(
        self, url: str, clock: Clock | None = None, *, driver: DriverName = "motor", ca_file: Path | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._driver = driver
        self._database = database_of(url)
        self._connection = connection = Connection(url, driver, ca_file)
        self._may_write = True
        self._checks = Collection(connection, "checks")
        self.queries = MongoQueries(Collection(connection, "queries"), self._clock)
        self.claims = MongoClaims(Collection(connection, "claims"), self._clock)
        self.images = self._blobs("images", INLINE_BYTES)
        self.model_files = self._blobs("model_files", 0)
        self.search_rows = MongoSearchRows(
            Collection(connection, "search_parts"), Collection(connection, "search_chunks")
        )
        self.detectors = MongoRecords(Collection(connection, "detectors"), "detector", DetectorRecord)
        self.models = MongoRecords(Collection(connection, "models"), "model", ModelRecord)
        self.tokens = MongoRecords(Collection(connection, "tokens"), "token", TokenRecord)
        self.entries = MongoRecords(Collection(connection, "entries"), "entry", EntryRecord)
        self.sources = MongoRecords(Collection(connection, "sources"), "source", SourceRecord)
        self.ephemeris = MongoEphemeris(Collection(connection, "ephemeris"))
        self.data_products = MongoDataProducts(Collection(connection, "data_products"))
        letters = Collection(connection, "dead_letters")
        self.dead_letters = MongoDeadLetters(letters, MongoFiles(connection, letters, self._clock), INLINE_BYTES)

    async def __aenter__(self) -> Self:
        """See `port.Store`."""
        self._connection.open()
        try:
            version = await verify_server(self._connection)
            await ensure_indexes(self._connection)
            await self.check()
        except PyMongoError as error:
            await self._connection.close()
            raise translate(error, wrote=False) from None
        except BaseException:
            await self._connection.close()
            raise
        log.info("store.opened", adapter="mongodb", driver=self._driver, database=self._database, server=version)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `port.Store`."""
        await self._connection.close()
        log.info("store.closed", adapter="mongodb")

    async def check(self) -> None:
        """Write a row, durably, and read it: a full disk or a lost majority still reads. Who may only read, reads."""
        now = to_micros(self._clock.now())
        if self._may_write:
            try:
                await self._checks.upsert({"_id": "check"}, {"$set": {"checked_us": now}})
            except Forbidden:
                self._may_write = False
        await self._checks.find_one({"_id": "check"})

    def _blobs(self, name: str, inline_bytes: int) -> MongoBlobs:
        collection = Collection(self._connection, name)
        return MongoBlobs(collection, MongoFiles(self._connection, collection, self._clock), inline_bytes)


async def install(url: str, *, driver: DriverName = "motor") -> None:
    """Make the database ready for users who may make no indexes: verify the server and make every index.

    Raises:
        ConfigError, Unavailable: as on entering the store.
    """
    async with MongoStore(url, driver=driver):
        return
