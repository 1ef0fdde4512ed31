"""One SQLite file: group commits, failures, closing."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.kit.database import Database
from services.kit.errors import ConfigError, Unavailable

_ROOT = Path(__file__).parents[3]
_SCHEMA = "CREATE TABLE IF NOT EXISTS notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL DEFAULT '')"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "notes.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database(path, _SCHEMA)
    database.open()
    yield database
    database.close()


def insert(number: int, text: str = "") -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (number, text))

    return work


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [row["number"] for row in connection.execute("SELECT number FROM notes ORDER BY number")]


@contextlib.asynccontextmanager
async def held_writer(database: Database) -> AsyncIterator[None]:
    """Keep the writer busy, so that the writes that come meanwhile share one commit."""
    began, go_on = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        began.set()
        go_on.wait(30)

    busy = asyncio.create_task(database.write(work))
    assert await asyncio.to_thread(began.wait, 30)
    try:
        yield
    finally:
        go_on.set()
        await busy


async def write_together(database: Database, *works: Callable[[sqlite3.Connection], object]) -> list[object]:
    """Run writes in one group; return results and errors."""
    async with held_writer(database):
        writes = [asyncio.create_task(database.write(work)) for work in works]
        await asyncio.sleep(0)
    return list(await asyncio.gather(*writes, return_exceptions=True))


async def test_what_was_written_is_there_after_a_reopen(path: Path) -> None:
    database = Database(path, _SCHEMA)
    for number in (1, 2):
        database.open()
        await database.write(insert(number))
        database.close()

    database.open()
    assert await database.read(numbers) == [1, 2]
    database.close()


async def test_a_commit_waits_for_the_disk(database: Database) -> None:
    def settings(connection: sqlite3.Connection) -> list[object]:
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]

    full = 2
    assert await database.write(settings) == ["wal", full]


async def test_a_write_returns_what_its_work_returned(database: Database) -> None:
    results = await write_together(database, *(lambda _, n=n: n * n for n in range(600)))
    assert results == [n * n for n in range(600)]


async def test_a_write_that_raises_undoes_only_itself(database: Database) -> None:
    def half(connection: sqlite3.Connection) -> None:
        insert(2)(connection)
        raise LookupError("half way")

    def misspelt(connection: sqlite3.Connection) -> None:
        insert(4)(connection)
        connection.execute("SELECT * FROM no_such_table")

    def twice(connection: sqlite3.Connection) -> None:
        insert(5)(connection)
        insert(1)(connection)

    results = await write_together(database, insert(1), half, insert(3), misspelt, twice, insert(6))

    assert [type(each) for each in results] == [
        type(None),
        LookupError,
        type(None),
        sqlite3.OperationalError,
        sqlite3.IntegrityError,
        type(None),
    ]
    assert await database.read(numbers) == [1, 3, 6]


async def test_reading_sees_committed_writes_only(database: Database) -> None:
    wrote, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        insert(1)(connection)
        wrote.set()
        go_on.wait(30)

    writing = asyncio.create_task(database.write(slow))
    assert await asyncio.to_thread(wrote.wait, 30)
    try:
        assert await database.read(numbers) == []
    finally:
        go_on.set()
    await writing
    assert await database.read(numbers) == [1]


async def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable):
        await database.read(insert(1))
    await database.write(insert(1))


async def test_cancelling_the_caller_does_not_undo_the_write(database: Database) -> None:
    async with held_writer(database):
        writing = asyncio.create_task(database.write(insert(1)))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

    await database.write(insert(2))
    assert await database.read(numbers) == [1, 2]


async def test_a_full_disk_is_unavailable_and_then_works_again(database: Database) -> None:
    await database.write(insert(1))
    (most,) = await database.write(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await database.write(lambda connection: connection.execute(f"PRAGMA max_page_count={most}").fetchone())

    results = await write_together(database, insert(2), insert(3, "x" * 100_000), insert(4))
    assert [type(each) for each in results] == [Unavailable] * 3  # SQLite gives up the commit that they share
    await database.write(insert(2))
    with pytest.raises(Unavailable, match="full"):
        await database.write(insert(3, "x" * 100_000))

    await database.write(lambda connection: connection.execute("PRAGMA max_page_count=100000").fetchone())
    await database.write(insert(3, "x" * 100_000))
    assert await database.read(numbers) == [1, 2, 3]


async def test_a_transaction_that_is_given_up_fails_the_whole_group_and_no_more(database: Database) -> None:
    def give_up(connection: sqlite3.Connection) -> None:
        insert(2)(connection)
        connection.execute("INSERT OR ROLLBACK INTO notes VALUES (2, '')")

    results = await write_together(database, insert(1), give_up, insert(3))

    assert [type(each) for each in results] == [Unavailable, sqlite3.IntegrityError, Unavailable]
    assert "UNIQUE" in str(results[0])
    assert await database.read(numbers) == []
    await database.write(insert(4))
    assert await database.read(numbers) == [4]


async def test_closing_finishes_the_writes_that_wait(path: Path) -> None:
    database = Database(path, _SCHEMA)
    database.open()
    async with held_writer(database):
        writes = [asyncio.create_task(database.write(insert(number))) for number in range(300)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(database.close))
    await closing
    await asyncio.gather(*writes)

    for call in (database.write, database.read):
        with pytest.raises(Unavailable, match="closed"):
            await call(numbers)
    database.close()

    database.open()
    assert await database.read(numbers) == list(range(300))
    database.close()


async def test_a_second_opener_is_told_that_the_file_is_in_use(database: Database, path: Path) -> None:
    with pytest.raises(ConfigError, match="in use"):
        Database(path, _SCHEMA).open()
    await database.write(insert(1))


async def test_another_process_is_told_that_the_file_is_in_use(database: Database, path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from services.kit.database import Database\n"
        "Database(Path(sys.argv[1]), '').open()"
    )
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(path)], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "ConfigError" in run.stderr
    assert "in use" in run.stderr


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else" * 1000)
    for _ in range(2):  # the lock is given back
        with pytest.raises(ConfigError, match="not a database"):
            Database(path, _SCHEMA).open()
    assert path.read_bytes() == b"something else" * 1000


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="is not a folder"):
        Database(tmp_path / "file" / "notes.sqlite", _SCHEMA).open()
