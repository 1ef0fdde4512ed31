"""Rows of searches in SQLite: a part and its chunks are written in one commit."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from services.kit.database import Database
from services.kit.store.documents import QueryKey
from services.kit.store.micros import to_micros
from services.kit.store.port import Packed, RecordedPart

_PURGE = 50
"""Parts removed in one commit: others write between the commits."""
_FORGET = "DELETE FROM search_chunks WHERE tenant = ? AND id = ? AND part = ?"
_RECORD = """
INSERT INTO search_parts VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, id, part) DO UPDATE SET
  chunks = excluded.chunks, rows = excluded.rows, size_bytes = excluded.size_bytes, expires_at = excluded.expires_at
"""


class SqliteSearchRows:
    """The SearchRows port on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, key: QueryKey, part: int, packed: Packed, expires_at: datetime | None) -> None:
        """See `port.SearchRows.put`."""
        rows = [(*key, part, number, chunk) for number, chunk in enumerate(packed.chunks)]
        record = (*key, part, len(packed.chunks), packed.rows, packed.size_bytes, to_micros(expires_at))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET, (*key, part))
            connection.executemany("INSERT INTO search_chunks VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute(_RECORD, record)

        await self._database.write(work)

    async def recorded(self, key: QueryKey, among: Sequence[int] | None = None) -> Mapping[int, RecordedPart]:
        """See `port.SearchRows.recorded`."""
        statement = "SELECT part, chunks, rows, size_bytes FROM search_parts WHERE tenant = ? AND id = ?"

        def work(connection: sqlite3.Connection) -> dict[int, RecordedPart]:
            if among is None:
                rows = connection.execute(statement, key).fetchall()
            else:
                found = (connection.execute(f"{statement} AND part = ?", (*key, part)).fetchone() for part in among)
                rows = [row for row in found if row is not None]
            return {row[0]: RecordedPart(*row[1:]) for row in rows}

        return await self._database.read(work)

    async def get(self, key: QueryKey, part: int, chunk: int) -> bytes | None:
        """See `port.SearchRows.get`."""
        statement = "SELECT data FROM search_chunks WHERE tenant = ? AND id = ? AND part = ? AND chunk = ?"

        def work(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(statement, (*key, part, chunk)).fetchone()
            return None if row is None else bytes(row["data"])

        return await self._database.read(work)

    async def delete(self, key: QueryKey) -> None:
        """See `port.SearchRows.delete`."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM search_parts WHERE tenant = ? AND id = ?", key)
            connection.execute("DELETE FROM search_chunks WHERE tenant = ? AND id = ?", key)

        await self._database.write(work)

    async def purge(self, now: datetime) -> int:
        """See `port.SearchRows.purge`."""
        statement = "SELECT tenant, id, part FROM search_parts WHERE expires_at <= ? LIMIT ?"
        parameters = (to_micros(now), _PURGE)

        def work(connection: sqlite3.Connection) -> int:
            found = [tuple(row) for row in connection.execute(statement, parameters)]
            connection.executemany(_FORGET, found)
            connection.executemany("DELETE FROM search_parts WHERE tenant = ? AND id = ? AND part = ?", found)
            return len(found)

        purged = count = await self._database.write(work)
        while count == _PURGE:
            count = await self._database.write(work)
            purged += count
        return purged
