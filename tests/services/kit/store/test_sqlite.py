"""What the SQLite store promises beside the port: see test_conformance."""

import asyncio
import json
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.errors import ConfigError, Refused, Unavailable
from services.kit.store.documents import QueryKey
from services.kit.store.port import LetterFilter, QueryFilter, Swap
from services.kit.store.records import Blob
from services.kit.store.sqlite import SqliteStore
from services.kit.store.sqlite_blobs import MAX_BLOB_BYTES
from services.kit.store.sqlite_claims import SqliteClaims
from services.kit.store.sqlite_dead_letters import SqliteDeadLetters
from services.kit.store.sqlite_queries import SqliteQueries
from services.kit.store.sqlite_schema import FORMAT, SCHEMA
from tests.support.documents import DETECTOR_ID, NOW, SHA256, TENANT, make_blob, make_document

T = TypeVar("T")
ROOT = Path(__file__).parents[4]
MIB = 1024 * 1024


class TracedDatabase(Database):
    """A database that remembers how often it was read, by which statements."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)
        self.reads = 0
        self.statements: list[str] = []

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def traced(connection: sqlite3.Connection) -> T:
            connection.set_trace_callback(self.statements.append)
            try:
                return work(connection)
            finally:
                connection.set_trace_callback(None)

        self.reads += 1
        return await super().read(traced)


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def killed_while_writing(path: Path, *, after_lines: int) -> list[tuple[str, str, int]]:
    """Run the writer, kill it in the middle, return what it said it had written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.store_writer", str(path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        lines = [await process.stdout.readline() for _ in range(after_lines)]
    finally:
        process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    assert await process.wait() == -signal.SIGKILL
    written = [json.loads(line) for line in lines if line.endswith(b"\n")]
    assert len(written) >= after_lines, "the writer ended before it was killed"
    return [(what, name, revision) for what, name, revision in written]


async def test_whatever_returned_before_kill_9_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    revisions: dict[str, int] = {}
    claims: set[str] = set()
    blobs: set[str] = set()
    for after_lines in (50, 333, 500):  # the second and third reopen what a kill left
        for what, name, revision in await killed_while_writing(path, after_lines=after_lines):
            if what == "document":
                revisions[name] = revision
            else:
                {"claim": claims, "blob": blobs}[what].add(name)
    assert revisions
    assert claims
    assert blobs
    async with SqliteStore(path) as store:
        found = await store.queries.load([QueryKey(TENANT, name) for name in revisions])
        # The write in flight at the kill may be there too: one revision more than was said.
        lost = [name for name, revision in revisions.items() if found[QueryKey(TENANT, name)].revision < revision]
        assert lost == []
        for claim_id in claims:
            assert await store.claims.find(QueryKey(TENANT, claim_id)) is not None
        for sha256 in blobs:
            assert await store.images.get(TENANT, sha256) is not None


@pytest.mark.parametrize("unknown", [0, 40_000])  # a statement takes 32,766 variables at most
async def test_loading_any_number_of_keys_is_one_read_of_one_statement(tmp_path: Path, unknown: int) -> None:
    database = TracedDatabase(tmp_path / "store.sqlite")
    database.open()
    with closing(database):
        queries = SqliteQueries(database, SystemClock())
        documents = [make_document() for _ in range(500)]
        await queries.swap([Swap(document, 0) for document in documents])
        keys = [QueryKey(TENANT, f"iq_{number:027}") for number in range(unknown)]
        found = await queries.load([*keys, *(document.key for document in documents)])
        assert found == {document.key: document for document in documents}
        assert (database.reads, len(database.statements)) == (1, 1)


async def test_every_question_of_the_port_is_answered_by_an_index(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    database = TracedDatabase(path)
    database.open()
    with closing(database):
        queries = SqliteQueries(database, SystemClock())
        await queries.swap([Swap(make_document(), 0)])
        await queries.load([make_document().key])
        await queries.page(TENANT, QueryFilter(), None, 10)
        await queries.page(TENANT, QueryFilter(detector_id=DETECTOR_ID, label="YES", open_only=True), None, 10)
        await queries.overtaken(NOW, 10)
        await queries.past_expiry(NOW, 10)
        await queries.held(TENANT, DETECTOR_ID, 10)
        await queries.uses_image(TENANT, SHA256, besides=["x"])
        await SqliteClaims(database, SystemClock()).uses_image(TENANT, SHA256, besides=["x"])
        letters = SqliteDeadLetters(database)
        await letters.page(LetterFilter(query_id="x"), None, 10)
        await letters.page(LetterFilter(reason="x", queue="y"), None, 10)
        await letters.page(LetterFilter(), None, 10)
        await letters.counts()
        statements = list(database.statements)
    assert len(statements) == 12
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            steps = [
                step
                for step in plan
                if step.startswith(("SEARCH", "SCAN")) and not any(list_ in step for list_ in ("wanted", "json_each"))
            ]
            assert steps, statement
            assert all("USING" in step and "INDEX" in step for step in steps), plan


async def test_a_text_file_is_refused_in_one_line_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but longer than the header of one\n" * 100)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        async with SqliteStore(path):
            pass
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE queries (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="something else") as caught:
        async with SqliteStore(path):
            pass
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


async def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(ConfigError, match="newer version"):
        async with SqliteStore(path):
            pass


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    # As a process leaves it that was killed before it had made the tables.
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    async with SqliteStore(path) as store:
        await store.check()


async def test_a_store_has_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path) as store:
        with pytest.raises(ConfigError, match="in use"):
            async with SqliteStore(path):
                pass
        await store.check()


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow or change, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_told_and_passes(tmp_path: Path) -> None:
    document = make_document()
    async with SqliteStore(tmp_path / "store.sqlite") as store:
        await store.queries.swap([Swap(document, 0)])
        with full_disk():
            with pytest.raises(Unavailable):
                await store.check()
            with pytest.raises(Unavailable):
                await store.images.put(make_blob(bytes(MIB)))
            with pytest.raises(Unavailable):
                await store.queries.swap([Swap(document.model_copy(update={"revision": 2}), 1)])
            assert await store.queries.load([document.key]) == {document.key: document}
        await store.check()
        assert await store.queries.swap([Swap(document.model_copy(update={"revision": 2}), 1)]) == frozenset()
        await store.images.put(make_blob(bytes(MIB)))
        assert await store.images.get(TENANT, make_blob(bytes(MIB)).sha256) == make_blob(bytes(MIB))


async def test_times_sort_by_the_microsecond_far_from_now(tmp_path: Path) -> None:
    created = [NOW.replace(year=year, microsecond=n) for year in (1, 1969, 1970, 9999) for n in (0, 1, 999_999)]
    documents = [make_document("iq_" + "a" * 25 + f"{n:02}", created_at=at) for n, at in enumerate(created)]
    async with SqliteStore(tmp_path / "store.sqlite") as store:
        await store.queries.swap([Swap(document, 0) for document in documents])
        page = await store.queries.page(TENANT, QueryFilter(created_until=created[-1]), None, 100)
        assert [document.created_at for document in page.items] == created[-2::-1]


async def test_a_model_of_512_mib_is_kept_without_copies_of_it(tmp_path: Path) -> None:
    data = b"0123456789abcdef" * (512 * MIB // 16)
    blob = Blob(tenant=TENANT, sha256="a" * 64, media_type="application/octet-stream", data=data)
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path) as store:
        before_mib = peak_mib()
        await store.model_files.put(blob)
        wrote_mib = peak_mib()
        stored = await store.model_files.get(TENANT, blob.sha256)
        read_mib = peak_mib()
        assert stored == blob
        for n in range(20):  # the log starts over and is cut back once all of it is in the file
            await store.images.put(make_blob(bytes(MIB) + b"%d" % n))
        assert path.with_name("store.sqlite-wal").stat().st_size <= 128 * MIB
    path.unlink()  # pytest keeps folders of earlier runs
    assert wrote_mib - before_mib < 128
    assert read_mib - wrote_mib < 512 + 128


async def test_the_room_of_removed_blobs_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path) as store:
        for n in range(10):
            deleted, purged = make_blob(b"%d" % n + bytes(MIB)), make_blob(b"-%d" % n + bytes(MIB), expires_at=NOW)
            await store.images.put(deleted)
            await store.images.put(purged)
            await store.images.delete(TENANT, deleted.sha256)
            assert await store.images.purge(NOW) == 1
    assert path.stat().st_size < 3 * MIB


async def test_a_blob_above_the_limit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    blob = Blob(tenant=TENANT, sha256="a" * 64, media_type="x/y", data=bytes(MAX_BLOB_BYTES + 1))
    async with SqliteStore(tmp_path / "store.sqlite") as store:
        with pytest.raises(Refused, match="body_too_large"):
            await store.images.put(blob)
        assert await store.images.get(TENANT, blob.sha256) is None
