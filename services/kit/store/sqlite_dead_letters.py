"""Dead letters in SQLite."""

import sqlite3

from pydantic_core import from_json

from services.kit.database import Database
from services.kit.store.micros import to_micros
from services.kit.store.paging import cut_page
from services.kit.store.port import Cursor, Page
from services.kit.store.records import DeadLetter
from services.kit.store.sqlite_schema import before

_PAGE = """
SELECT letter, body FROM dead_letters WHERE (died_at, id) < (?, ?) ORDER BY died_at DESC, id DESC LIMIT ?
"""


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
        found = await self._all("SELECT letter, body FROM dead_letters WHERE id = ?", (letter_id,))
        return found[0] if found else None

    async def page(self, cursor: Cursor | None, limit: int) -> Page[DeadLetter]:
        """See `port.DeadLetters.page`."""
        letters = await self._all(_PAGE, (*before(cursor), limit + 1))
        return cut_page(letters, limit, lambda letter: Cursor(letter.died_at, letter.id))

    async def delete(self, letter_id: str) -> None:
        """See `port.DeadLetters.delete`."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM dead_letters WHERE id = ?", (letter_id,))

        await self._database.write(work)

    async def _all(self, statement: str, parameters: tuple[str | int, ...]) -> list[DeadLetter]:
        def work(connection: sqlite3.Connection) -> list[DeadLetter]:
            return [_read(row) for row in connection.execute(statement, parameters)]

        return await self._database.read(work)


def _read(row: sqlite3.Row) -> DeadLetter:
    return DeadLetter.model_validate({**from_json(row["letter"]), "body": row["body"]})
