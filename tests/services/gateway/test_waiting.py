"""Many who wait, and what each costs the store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.v1.results import ResultsStored
from services.kit.settings import load
from services.kit.store.documents import QueryDocument
from services.kit.store.port import Swap
from services.kit.store.sqlite import SqliteStore
from services.kit.waiter import summary_of
from tests.support.counting_store import CountingStore
from tests.support.documents import make_answer, make_document
from tests.support.gateways import TENANT, Door, expect_problem, gateway_on

DETECTOR = "det_" + "0" * 27


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[tuple[Door, CountingStore]]:
    """A gateway whose store counts reads; the test folds."""
    async with SqliteStore(tmp_path / "store.sqlite") as inner:
        store = CountingStore(inner)
        async with gateway_on(store, load({}, data=tmp_path)) as door:
            yield door, store


async def test_two_hundred_waiters_at_once_are_served_with_two_reads_each(counted: tuple[Door, CountingStore]) -> None:
    door, store = counted
    documents = [make_document(tenant=TENANT) for _ in range(200)]
    await store.queries.swap([Swap(document, 0) for document in documents])
    waiting = [asyncio.create_task(door.http.get(f"/v1/queries/{document.id}?wait=40")) for document in documents]
    await door.waiters(200)
    answered = [
        document.model_copy(
            update={"revision": 2, "state": "answered", "answer": make_answer(), "answers": (make_answer(),)}
        )
        for document in documents
    ]
    assert not await store.queries.swap([Swap(document, 1) for document in answered])
    await publish_stored(door, answered)
    responses = await asyncio.gather(*waiting)
    assert [response.json()["label"] for response in responses] == ["YES"] * 200
    assert [response.json()["id"] for response in responses] == [document.id for document in documents]
    assert max(store.queries.reads.values()) <= 2
    assert len(store.queries.reads) == 200


async def test_a_waiter_whose_query_appears_late_reads_twice(counted: tuple[Door, CountingStore]) -> None:
    door, store = counted
    other = await door.claim(DETECTOR)  # a second waiter, so that the shared re-check never reads one key alone
    claim = await door.claim(DETECTOR)
    waiting = [asyncio.create_task(door.http.get(f"/v1/queries/{item.id}?wait=40")) for item in (claim, other)]
    await door.waiters(2)
    document = make_document(claim.id, tenant=TENANT)
    await store.queries.swap([Swap(document, 0)])
    await publish_stored(door, [document])
    answered = document.model_copy(update={"revision": 2, "state": "answered", "answer": make_answer()})
    await store.queries.swap([Swap(answered, 1)])
    await publish_stored(door, [answered])
    assert (await waiting[0]).json()["label"] == "YES"
    assert store.queries.reads[claim.id] <= 2
    waiting[1].cancel()


async def test_more_waiters_than_allowed_are_sent_away(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path, max_waiters=1)
    async with SqliteStore(tmp_path / "store.sqlite") as store, gateway_on(store, settings) as door:
        claim = await door.claim(DETECTOR)
        waiting = asyncio.create_task(door.http.get(f"/v1/queries/{claim.id}?wait=40"))
        await door.waiters(1)
        expect_problem(await door.http.get(f"/v1/queries/{claim.id}?wait=40"), "unavailable")
        door.platform.waiter.release()
        assert (await waiting).json()["state"] == "submitted"


async def test_a_store_that_is_away_is_said_so(counted: tuple[Door, CountingStore]) -> None:
    door, store = counted
    claim = await door.claim(DETECTOR)
    store.queries.away = True
    response = await door.http.get(f"/v1/queries/{claim.id}")
    expect_problem(response, "unavailable")
    assert int(response.headers["retry-after"]) >= 1


async def publish_stored(door: Door, documents: list[QueryDocument]) -> None:
    """Wake those who wait, as the result store does after it has written."""
    await door.publish(ResultsStored(results=tuple(summary_of(document) for document in documents)))
