"""Writing facts in batches: what one batch does to the images of several queries."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from contracts.ids import new_id
from contracts.v1.image_query import Image, ImageQuerySubmitted
from contracts.v1.query import QueryErased
from services.kit.clock import SystemClock
from services.kit.metrics import Metrics
from services.kit.store.documents import QueryKey
from services.kit.store.port import Blobs
from services.kit.store.records import Blob
from services.kit.store.sqlite import SqliteStore
from services.kit.store.sqlite_blobs import SqliteBlobs
from services.kit.store.sqlite_claims import SqliteClaims
from services.kit.store.sqlite_queries import SqliteQueries
from services.result_store.facts import Fact
from services.result_store.writing import Writer
from tests.support.documents import make_claim

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DATA = b"one picture"
SHA = hashlib.sha256(DATA).hexdigest()
OTHER = b"another picture"
OTHER_SHA = hashlib.sha256(OTHER).hexdigest()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as opened:
        yield opened


@pytest.fixture
def writer(store: SqliteStore) -> Writer:
    return Writer(store, Metrics(), retention=timedelta(days=30))


def asked(query_id: str, *, inline: bool = True, data: bytes = DATA) -> Fact:
    question = ImageQuerySubmitted(
        query_id=query_id,
        detector_id=new_id("det", AT),
        image=Image(
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            media_type="image/jpeg",
            data=data if inline else None,
        ),
        submitted_at=AT,
    )
    return Fact(QueryKey("acme", query_id), f"{query_id}.asked", AT, question)


def erased(query_id: str) -> Fact:
    return Fact(QueryKey("acme", query_id), f"{query_id}.erased", AT, QueryErased(query_id=query_id, erased_at=AT))


async def put_image(store: SqliteStore, expires_at: datetime = AT + timedelta(days=30)) -> None:
    blob = Blob(tenant="acme", sha256=SHA, media_type="image/jpeg", data=DATA, expires_at=expires_at)
    await store.images.put(blob)


@pytest.mark.parametrize("erased_first", [True, False])
async def test_erasing_one_query_keeps_the_image_of_another_in_the_same_batch(
    store: SqliteStore,
    writer: Writer,
    erased_first: bool,  # noqa: FBT001
) -> None:
    old, new = new_id("iq", AT), new_id("iq", AT)
    await writer.write([asked(old)])
    batch = [erased(old), asked(new)] if erased_first else [asked(new), erased(old)]
    await writer.write(batch)
    assert await store.images.get("acme", SHA) is not None


async def test_a_query_that_is_erased_in_the_batch_of_its_question_leaves_no_image(
    store: SqliteStore, writer: Writer
) -> None:
    query_id = new_id("iq", AT)
    await put_image(store)
    await writer.write([asked(query_id, inline=False), erased(query_id)])
    assert await store.images.get("acme", SHA) is None


async def test_a_question_that_comes_after_its_erasure_leaves_no_image(store: SqliteStore, writer: Writer) -> None:
    query_id = new_id("iq", AT)
    await put_image(store)
    await writer.write([erased(query_id)])
    assert await writer.write([asked(query_id, inline=False)]) == []
    assert await store.images.get("acme", SHA) is None


async def claim(store: SqliteStore, query_id: str) -> None:
    """Do what the submitter does before it publishes a question with a large image."""
    await store.claims.make(make_claim(query_id, tenant="acme", sha256=SHA))
    await put_image(store, expires_at=AT + timedelta(days=31))


async def test_an_image_that_is_put_again_survives_the_erasure_of_another_query(
    store: SqliteStore, writer: Writer
) -> None:
    old, new = new_id("iq", AT), new_id("iq", AT)
    await writer.write([asked(old)])
    await claim(store, new)
    await writer.write([erased(old)])
    await writer.write([asked(new, inline=False)])
    assert await store.images.get("acme", SHA) is not None
    await writer.write([erased(new)])
    assert await store.images.get("acme", SHA) is None


class _Submitting:
    """Claims of a store to which somebody submits right after they were looked at."""

    def __init__(self, store: SqliteStore, query_id: str) -> None:
        self._store = store
        self._query_id = query_id
        self._inner = store.claims
        self.delete = store.claims.delete

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        used = await self._inner.uses_image(tenant, sha256, besides=besides)
        self._store.claims = self._inner
        await claim(self._store, self._query_id)
        return used


async def test_an_image_that_is_put_while_it_is_looked_for_survives(store: SqliteStore, writer: Writer) -> None:
    old, new = new_id("iq", AT), new_id("iq", AT)
    await writer.write([asked(old)])
    store.claims = cast("SqliteClaims", _Submitting(store, new))
    await writer.write([erased(old)])
    assert await store.images.get("acme", SHA) is not None


async def test_queries_with_one_image_that_are_erased_together_leave_no_image(
    store: SqliteStore, writer: Writer
) -> None:
    queries = [new_id("iq", AT) for _ in range(3)]
    for query_id in queries:
        await claim(store, query_id)
    await writer.write([asked(query_id, inline=False) for query_id in queries])
    await writer.write([erased(query_id) for query_id in queries])
    assert await store.images.get("acme", SHA) is None


class _Meeting:
    """Claims or queries of a store in which another batch writes right after it was looked who uses an image."""

    def __init__(self, users: SqliteClaims | SqliteQueries, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._users = users
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    def __getattr__(self, name: str) -> object:
        return getattr(self._users, name)

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        used = await self._users.uses_image(tenant, sha256, besides=besides)
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return used


@pytest.mark.parametrize("claimed", [True, False])
async def test_queries_with_one_image_that_two_batches_erase_at_once_leave_no_image(
    store: SqliteStore,
    writer: Writer,
    claimed: bool,  # noqa: FBT001
) -> None:
    first, second = new_id("iq", AT), new_id("iq", AT)
    for query_id in (first, second):
        if claimed:
            await claim(store, query_id)
        await writer.write([asked(query_id)])
    other = Writer(store, Metrics(), retention=timedelta(days=30))  # perhaps of another process

    async def meanwhile() -> None:
        await other.write([erased(second)])

    if claimed:
        store.claims = cast("SqliteClaims", _Meeting(store.claims, meanwhile))
    else:
        store.queries = cast("SqliteQueries", _Meeting(store.queries, meanwhile))
    await writer.write([erased(first)])
    assert await store.images.get("acme", SHA) is None


class _Holding:
    """Images of a store that keep whoever says how long one is kept waiting, once that is said."""

    def __init__(self, images: Blobs) -> None:
        self._images = images
        self.said, self.go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._images, name)

    async def keep_until(self, tenant: str, sha256: str, expires_at: datetime | None) -> None:
        await self._images.keep_until(tenant, sha256, expires_at)
        self.said.set()
        await self.go_on.wait()


async def test_an_image_stays_whose_new_query_is_written_while_its_users_are_looked_for(
    store: SqliteStore, writer: Writer
) -> None:
    old, new = new_id("iq", AT), new_id("iq", AT)
    await writer.write([asked(old)])
    holding = _Holding(store.images)
    store.images = cast("SqliteBlobs", holding)
    writing = asyncio.create_task(writer.write([asked(new, inline=False)]))
    await holding.said.wait()

    async def meanwhile() -> None:
        holding.go_on.set()
        await writing

    store.queries = cast("SqliteQueries", _Meeting(store.queries, meanwhile))
    await writer.write([erased(old)])
    assert await store.images.get("acme", SHA) is not None


@pytest.mark.parametrize("together", [True, False])
async def test_another_question_under_a_taken_id_leaves_no_image(
    store: SqliteStore,
    writer: Writer,
    together: bool,  # noqa: FBT001
) -> None:
    query_id = new_id("iq", AT)
    first, second = asked(query_id), asked(query_id, data=OTHER)
    for batch in [[first, second]] if together else [[first], [second]]:
        await writer.write(batch)
    (document,) = (await store.queries.load([QueryKey("acme", query_id)])).values()
    assert document.image_request is not None
    assert document.image_request.image.sha256 == SHA
    assert await store.images.get("acme", SHA) is not None
    assert await store.images.get("acme", OTHER_SHA) is None


async def test_a_repeated_question_changes_nothing_and_keeps_its_image(store: SqliteStore, writer: Writer) -> None:
    query_id = new_id("iq", AT)
    await writer.write([asked(query_id)])
    assert await writer.write([asked(query_id)]) == []
    assert await store.images.get("acme", SHA) is not None
