"""What the server was really asked, as its own profiler tells it: indexes, concerns, deadlines."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from services.kit.errors import Conflict
from services.kit.store.documents import QueryKey
from services.kit.store.ephemeris import pack
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.indexes import INDEXES
from services.kit.store.mongo.records import MongoRecords
from services.kit.store.mongo.store import MongoStore
from services.kit.store.port import Cursor, LetterFilter, QueryFilter, Swap
from services.kit.store.records import Record
from tests.services.kit.store.mongo.conftest import Rows
from tests.support.documents import (
    DETECTOR_ID,
    NOW,
    SHA256,
    TENANT,
    later,
    make_answer,
    make_blob,
    make_claim,
    make_dead_letter,
    make_detector,
    make_document,
    make_model,
    make_token,
)
from tests.support.space import DAY, make_records
from tests.support.stores import put

R = TypeVar("R", bound=Record)


@contextmanager
def profiled(rows: Rows) -> Iterator[list[dict[str, Any]]]:
    """What the server did for our clients meanwhile."""
    found: list[dict[str, Any]] = []
    rows.command("profile", 2)
    try:
        yield found
    finally:
        rows.command("profile", 0)
        found += rows["system.profile"].find({"appName": "sightline"})


async def _everything(store: MongoStore) -> None:
    document, blob, claim = make_document(), make_blob(), make_claim(key="k")
    passed = make_document(state="answered", answer=make_answer(), created_at=later(1))
    filters = [
        QueryFilter(),
        QueryFilter(detector_id=DETECTOR_ID, state="submitted", label="YES", open_only=True),
        QueryFilter(created_from=NOW, created_until=later(5)),
    ]
    await put(store, document, passed)
    await store.queries.swap([Swap(document.model_copy(update={"revision": 2}), 1)])
    await store.queries.swap([Swap(document, 7)])
    await store.queries.load([document.key])
    for query_filter in filters:
        for cursor in (None, Cursor(later(9), "x")):
            await store.queries.page(TENANT, query_filter, cursor, 5)
    assert await store.queries.overtaken(later(9), 5)
    await store.queries.past_expiry(NOW, 5)
    await store.queries.held(TENANT, DETECTOR_ID, 5)
    await store.queries.uses_image(TENANT, SHA256, besides=["x"])
    await store.claims.uses_image(TENANT, SHA256, besides=["x"])
    await store.claims.make(claim)
    await store.claims.make(make_claim(key="k"))
    await store.claims.find(QueryKey(TENANT, claim.id))
    await store.claims.delete(QueryKey(TENANT, claim.id))
    for blobs in (store.images, store.model_files):
        await blobs.put(blob)
        await blobs.get(TENANT, blob.sha256)
        await blobs.keep_until(TENANT, blob.sha256, later(1))
        await blobs.delete(TENANT, blob.sha256, seen=blob)
        await blobs.put(blob)
    await _all_of(store.detectors, make_detector())
    await _all_of(store.models, make_model())
    await _all_of(store.tokens, make_token())
    await store.dead_letters.add(make_dead_letter())
    for letter_filter in (LetterFilter(), LetterFilter(reason="x"), LetterFilter(queue="x", tenant="", query_id="x")):
        for cursor in (None, Cursor(later(9), "x")):
            await store.dead_letters.page(letter_filter, cursor, 5)
    await store.dead_letters.get("evt_1")
    await store.dead_letters.summary("evt_1")
    await store.dead_letters.counts()
    await store.dead_letters.delete("evt_1")
    await store.dead_letters.purge(NOW)
    for purged in (store.queries, store.claims, store.images, store.model_files):
        await purged.purge(later(10**6))
    await store.check()


async def _all_of(records: MongoRecords[R], record: R) -> None:
    await records.insert(record)
    with pytest.raises(Conflict):
        await records.replace(record)
    await records.get(TENANT, record.id)
    await records.find(record.id)
    await records.by_name(TENANT, "x")
    for cursor in (None, Cursor(later(9), "x")):
        await records.page(TENANT, cursor, 5)


async def test_every_question_is_asked_of_an_index(mongo: MongoStore, rows: Rows) -> None:
    with profiled(rows) as done:
        await _everything(mongo)
    plans = [each for each in done if "planSummary" in each and not each["ns"].endswith(".pending")]
    assert len(plans) > 40
    assert [(each["ns"], each["command"]) for each in plans if "COLLSCAN" in each["planSummary"]] == []
    sorted_by_hand = [each["command"]["filter"] for each in plans if each.get("hasSortStage")]
    assert all("index.due_us" in query for query in sorted_by_hand), sorted_by_hand
    used = {name for each in plans for name in INDEXES if each["ns"].endswith(f".{name}")}
    assert {"queries", "claims", "detectors", "models", "tokens", "dead_letters"} <= used


@pytest.mark.parametrize("options", ["", "&w=1&journal=false&readConcernLevel=local&readPreference=nearest"])
async def test_every_call_asks_for_majority_and_journal_whatever_the_address_says(
    mongodb_url: str, rows: Rows, driver: DriverName, options: str
) -> None:
    async with MongoStore(mongodb_url + options, driver=driver) as store:
        with profiled(rows) as done:
            await _everything(store)
    writes = [each["command"] for each in done if {"insert", "update", "delete"} & each["command"].keys()]
    reads = [each["command"] for each in done if {"find", "aggregate"} & each["command"].keys()]
    # The profiler tells updates per statement, without what the command around them asked for.
    asked = [command["writeConcern"] for command in writes if "writeConcern" in command]
    assert len(asked) > 10
    assert all(concern["w"] == "majority" and concern["j"] is True for concern in asked)
    assert len(reads) > 30
    assert all(command["readConcern"]["level"] == "majority" for command in reads)
    assert all("maxTimeMS" in command for command in reads)


async def test_counting_ephemeris_reads_the_index_and_not_its_days(mongo: MongoStore, rows: Rows) -> None:
    days = pack(make_records(range(0, 50 * 1440, 300)))
    await mongo.ephemeris.put(TENANT, 46, days)
    with profiled(rows) as done:
        assert sum((await mongo.ephemeris.availability(TENANT, (46,), DAY, DAY + 50))[46].values()) == 240
        assert await mongo.ephemeris.extent(TENANT, 46) is not None
    assert sum(each.get("docsExamined", 0) for each in done) == 2
