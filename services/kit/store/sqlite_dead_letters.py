"""Dead letters in SQLite."""

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from pydantic_core import from_json

from services.kit.database import Database
from services.kit.store.micros import to_micros
from services.kit.store.paging import cut_page
from services.kit.store.port import Cursor, LetterFilter, Page
from services.kit.store.records import DeadLetter, LetterSummary
from services.kit.store.sqlite_schema import before

_PURGE = 50
"""Letters removed in one commit: others write between the commits."""

# `body` is the last column, so that nothing of it is read where it is not asked for; its length is known without it.
_SUMMARY = "SELECT letter, length(body) AS size_bytes FROM dead_letters"
_WHOLE = "SELECT letter, length(body) AS size_bytes, body FROM dead_letters WHERE id = ?"
_NEWEST_FIRST = "(died_at, id) < (?, ?) ORDER BY died_at DESC, id DESC LIMIT ?"
_COUNTS = "SELECT json_extract(letter, '$.reason') AS reason, count(*) AS letters FROM dead_letters GROUP BY 1"
_DELETE = "DELETE FROM dead_letters WHERE id = ?"
_PURGED = """
DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE died_at <= ? ORDER BY died_at LIMIT ?)
"""
# Each is written as its index has it.
_COLUMNS = {name: f"json_extract(letter, '$.{name}') = ?" for name in ("query_id", "reason", "queue", "tenant")}


class SqliteDeadLetters:
    """The DeadLetters port on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, letter: DeadLetter) -> None:
        """See `port.DeadLetters.add`."""
        # The body lies in a column of its own: arbitrary bytes have no place in JSON.
        row = (letter.id, to_micros(letter.died_at), letter.model_dump_json(exclude={"body"}), letter.body)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO dead_letters VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", row)

        await self._database.write(work)

    async def get(self, letter_id: str) -> DeadLetter | None:
        """See `port.DeadLetters.get`."""

        def work(connection: sqlite3.Connection) -> DeadLetter | None:
            found = connection.execute(_WHOLE, (letter_id,)).fetchone()
            return None if found is None else DeadLetter.model_validate({**_sized(found), "body": found["body"]})

        return await self._database.read(work)

    async def summary(self, letter_id: str) -> LetterSummary | None:
        """See `port.DeadLetters.summary`."""
        found = await self._summaries(f"{_SUMMARY} WHERE id = ?", (letter_id,))
        return found[0] if found else None

    async def page(self, letter_filter: LetterFilter, cursor: Cursor | None, limit: int) -> Page[LetterSummary]:
        """See `port.DeadLetters.page`."""
        wanted = {name: value for name in _COLUMNS if (value := getattr(letter_filter, name)) is not None}
        where = " AND ".join([*(_COLUMNS[name] for name in wanted), _NEWEST_FIRST])
        letters = await self._summaries(f"{_SUMMARY} WHERE {where}", (*wanted.values(), *before(cursor), limit + 1))
        return cut_page(letters, limit, lambda letter: Cursor(letter.died_at, letter.id))

    async def counts(self) -> Mapping[str, int]:
        """See `port.DeadLetters.counts`."""

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            return {row["reason"]: row["letters"] for row in connection.execute(_COUNTS)}

        return await self._database.read(work)

    async def delete(self, letter_id: str) -> None:
        """See `port.DeadLetters.delete`."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_DELETE, (letter_id,))

        await self._database.write(work)

    async def purge(self, until: datetime) -> int:
        """See `port.DeadLetters.purge`."""

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(_PURGED, (to_micros(until), _PURGE)).rowcount

        purged = count = await self._database.write(work)
        while count == _PURGE:
            count = await self._database.write(work)
            purged += count
        return purged

    async def _summaries(self, statement: str, parameters: tuple[str | int, ...]) -> list[LetterSummary]:
        def work(connection: sqlite3.Connection) -> list[LetterSummary]:
            return [LetterSummary.model_validate(_sized(row)) for row in connection.execute(statement, parameters)]

        return await self._database.read(work)


def _sized(row: sqlite3.Row) -> dict[str, object]:
    return {**from_json(row["letter"]), "size_bytes": row["size_bytes"]}
