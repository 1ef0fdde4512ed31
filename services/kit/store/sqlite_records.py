"""The control plane's records in SQLite: every type in one table."""

import sqlite3
from typing import Generic, TypeVar

from services.kit.database import Database
from services.kit.errors import Conflict
from services.kit.store.micros import to_micros
from services.kit.store.paging import cut_page
from services.kit.store.port import Cursor, Page
from services.kit.store.records import Record
from services.kit.store.sqlite_schema import before

R = TypeVar("R", bound=Record)

_INSERT = """
INSERT INTO records (kind, tenant, id, unique_name, revision, removed, created_at, record)
VALUES (:kind, :tenant, :id, :unique_name, :revision, :removed, :created_at, :record)
"""
_REPLACE = """
UPDATE records SET
  unique_name = :unique_name, revision = :revision, removed = :removed, created_at = :created_at, record = :record
WHERE kind = :kind AND tenant = :tenant AND id = :id AND revision = :revision - 1
"""
_GET = "SELECT record FROM records WHERE kind = ? AND tenant = ? AND id = ?"
_BY_NAME = "SELECT record FROM records WHERE kind = ? AND tenant = ? AND unique_name = ?"
_FIND = "SELECT record FROM records WHERE kind = ? AND id = ?"
_PAGE = """
SELECT record FROM records WHERE kind = ? AND tenant = ? AND removed = 0 AND (created_at, id) < (?, ?)
ORDER BY created_at DESC, id DESC LIMIT ?
"""


class SqliteRecords(Generic[R]):
    """The Records port for one type on one SQLite file; `kind` tells the types apart."""

    def __init__(self, database: Database, kind: str, model: type[R]) -> None:
        self._database = database
        self._kind = kind
        self._model = model

    async def insert(self, record: R) -> None:
        """See `port.Records.insert`."""
        await self._write(_INSERT, record)

    async def replace(self, record: R) -> None:
        """See `port.Records.replace`."""
        await self._write(_REPLACE, record)

    async def get(self, tenant: str, record_id: str) -> R | None:
        """See `port.Records.get`."""
        return await self._one(_GET, (self._kind, tenant, record_id))

    async def by_name(self, tenant: str, name: str) -> R | None:
        """See `port.Records.by_name`."""
        return await self._one(_BY_NAME, (self._kind, tenant, name))

    async def find(self, record_id: str) -> R | None:
        """See `port.Records.find`."""
        return await self._one(_FIND, (self._kind, record_id))

    async def page(self, tenant: str, cursor: Cursor | None, limit: int) -> Page[R]:
        """See `port.Records.page`."""
        records = await self._all(_PAGE, (self._kind, tenant, *before(cursor), limit + 1))
        return cut_page(records, limit, lambda record: Cursor(record.created_at, record.id))

    async def _write(self, statement: str, record: R) -> None:
        row = {
            "kind": self._kind,
            "tenant": record.tenant,
            "id": record.id,
            "unique_name": record.unique_name,
            "revision": record.revision,
            "removed": record.removed_at is not None,
            "created_at": to_micros(record.created_at),
            "record": record.model_dump_json(),
        }

        def work(connection: sqlite3.Connection) -> None:
            try:
                written = connection.execute(statement, row).rowcount
            except sqlite3.IntegrityError as error:
                raise Conflict(f"the {self._kind} {record.id} exists, or its name {record.name!r} is taken") from error
            if written == 0:
                raise Conflict(f"the {self._kind} {record.id} is not at revision {record.revision - 1}")

        await self._database.write(work)

    async def _one(self, statement: str, parameters: tuple[str, ...]) -> R | None:
        found = await self._all(statement, parameters)
        return found[0] if found else None

    async def _all(self, statement: str, parameters: tuple[str | int, ...]) -> list[R]:
        def work(connection: sqlite3.Connection) -> list[R]:
            return [self._model.model_validate_json(row["record"]) for row in connection.execute(statement, parameters)]

        return await self._database.read(work)
