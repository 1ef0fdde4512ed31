"""Ephemeris in SQLite: a row per source, column and day, so that a read touches the columns it asks for alone."""

import sqlite3
from collections.abc import Collection, Sequence

from services.kit.database import Database
from services.kit.store.ephemeris import (
    COLUMNS,
    DAY_MINUTES,
    EVERY_DAY,
    Column,
    EphemerisDay,
    Extent,
    cut,
    extent_of,
    merge,
)

_PUT = """
INSERT INTO ephemeris VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, source, name, day) DO UPDATE SET data = excluded.data
"""
_READ = """
SELECT day, data FROM ephemeris WHERE tenant = ? AND source = ? AND name = ? AND day >= ? AND day < ? ORDER BY day
"""
_DELETE = "DELETE FROM ephemeris WHERE tenant = ? AND source = ? AND name = ? AND day >= ? AND day < ?"
_NEXT = f"{_READ} LIMIT ?"
_PRESENT = "present"

_COMMIT_DAYS = 16
"""Days in one commit: joining two takes some milliseconds, and others write between the commits."""
_COMMIT_DELETES = 256
"""Days deleted in one commit."""

_Key = tuple[str, int]
"""Tenant and source."""


class SqliteEphemeris:
    """The Ephemeris port on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, tenant: str, source: int, days: Sequence[EphemerisDay]) -> None:
        """See `source_port.Ephemeris.put`."""
        for start in range(0, len(days), _COMMIT_DAYS):

            def work(connection: sqlite3.Connection, start: int = start) -> None:
                for day in days[start : start + _COMMIT_DAYS]:
                    stored = _read(connection, (tenant, source), day.day, day.day + 1, COLUMNS)
                    _write(connection, (tenant, source), merge(stored[0], day) if stored else day)

            await self._database.write(work)

    async def read(
        self, tenant: str, sources: Collection[int], first_day: int, until_day: int, columns: Collection[Column]
    ) -> dict[int, list[EphemerisDay]]:
        """See `source_port.Ephemeris.read`."""

        def work(connection: sqlite3.Connection) -> dict[int, list[EphemerisDay]]:
            connection.execute("BEGIN")  # every column as of one moment
            try:
                return {
                    source: _read(connection, (tenant, source), first_day, until_day, columns) for source in sources
                }
            finally:
                connection.execute("COMMIT")

        return await self._database.read(work)

    async def delete(self, tenant: str, source: int, first_minute: int, until_minute: int) -> int:
        """See `source_port.Ephemeris.delete`. Whole days go many at a time, those at the ends minute by minute."""
        key = (tenant, source)
        whole = range(-(-first_minute // DAY_MINUTES), until_minute // DAY_MINUTES)
        ends = [day for day in {first_minute // DAY_MINUTES, (until_minute - 1) // DAY_MINUTES} if day not in whole]
        removed = 0
        for day in ends:

            def cut_one(connection: sqlite3.Connection, day: int = day) -> int:
                return _cut(connection, key, day, first_minute, until_minute)

            removed += await self._database.write(cut_one)
        while whole:

            def delete_some(connection: sqlite3.Connection) -> tuple[int, bool]:
                return _delete(connection, key, whole)

            count, more = await self._database.write(delete_some)
            removed += count
            if not more:
                break
        return removed

    async def availability(
        self, tenant: str, sources: Collection[int], first_day: int, until_day: int
    ) -> dict[int, dict[int, int]]:
        """See `source_port.Ephemeris.availability`."""
        found = await self.read(tenant, sources, first_day, until_day, ())
        return {source: {day.day: len(day) for day in days} for source, days in found.items()}

    async def extent(self, tenant: str, source: int) -> Extent | None:
        """See `source_port.Ephemeris.extent`."""
        found = await self.read(tenant, (source,), *EVERY_DAY, ())
        return extent_of(found[source])


def _read(
    connection: sqlite3.Connection,
    key: _Key,
    first_day: int,
    until_day: int,
    columns: Collection[Column],
) -> list[EphemerisDay]:
    def rows(name: str) -> list[tuple[int, bytes]]:
        cursor = connection.cursor()
        cursor.row_factory = None  # tens of thousands of rows a search: a plain tuple costs half
        return cursor.execute(_READ, (*key, name, first_day, until_day)).fetchall()

    found: dict[int, dict[Column, bytes]] = {}
    present = rows(_PRESENT)
    for day, _ in present:
        found[day] = {}
    for column in columns:
        for day, data in rows(column):
            found[day][column] = data
    return [EphemerisDay(day, bitmap, found[day]) for day, bitmap in present]


def _write(connection: sqlite3.Connection, key: _Key, day: EphemerisDay) -> None:
    named = ((_PRESENT, day.present), *day.columns.items())
    connection.executemany(_PUT, [(*key, name, day.day, data) for name, data in named])


def _cut(connection: sqlite3.Connection, key: _Key, day: int, first_minute: int, until_minute: int) -> int:
    stored = _read(connection, key, day, day + 1, COLUMNS)
    if not stored:
        return 0
    kept = cut(stored[0], first_minute, until_minute)
    if kept is None:
        names = (_PRESENT, *COLUMNS)
        connection.executemany(_DELETE, [(*key, name, day, day + 1) for name in names])
        return len(stored[0])
    _write(connection, key, kept)
    return len(stored[0]) - len(kept)


def _delete(connection: sqlite3.Connection, key: _Key, days: range) -> tuple[int, bool]:
    """Delete the first days that there are; return how many minutes they had, and whether there may be more."""
    found = connection.execute(_NEXT, (*key, _PRESENT, days.start, days.stop, _COMMIT_DELETES)).fetchall()
    if not found:
        return 0, False
    until = found[-1][0] + 1
    connection.executemany(_DELETE, [(*key, name, days.start, until) for name in (_PRESENT, *COLUMNS)])
    return sum(len(EphemerisDay(day, bitmap, {})) for day, bitmap in found), len(found) == _COMMIT_DELETES
