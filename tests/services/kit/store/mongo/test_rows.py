"""How things lie in MongoDB: for people at its shell, for its own deletion, for the tools of GridFS."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import gridfs
import pytest
from bson import Int64
from bson.max_key import MaxKey

from services.kit.clock import SystemClock
from services.kit.store.documents import QueryDocument
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.indexes import INDEXES
from services.kit.store.mongo.store import INLINE_BYTES, MongoStore
from services.kit.store.port import QueryFilter, Swap
from tests.services.kit.store.mongo.conftest import Rows
from tests.support.documents import (
    DETECTOR_ID,
    NOW,
    TENANT,
    later,
    make_answer,
    make_blob,
    make_claim,
    make_dead_letter,
    make_detector,
    make_document,
)
from tests.support.stores import put

HUGE = 10**30


async def test_a_document_reads_in_the_shell(mongo: MongoStore, rows: Rows) -> None:
    document = make_document(
        state="answered", answer=make_answer(), expires_at=later(60), metadata_json='{"$gt": {"a.b": 1}}'
    )
    await put(mongo, document)
    row = rows["queries"].find_one({"state": "answered", "answer.label": "YES", "request.detector_id": DETECTOR_ID})
    assert row is not None
    assert row["_id"] == f"{TENANT}/{document.id}"
    assert row["created_at"] == "2051-03-04T05:06:07.891234Z"
    assert row["request"]["metadata_json"] == '{"$gt": {"a.b": 1}}'
    assert isinstance(row["index"]["created_us"], Int64)
    # The first millisecond at which it has expired.
    assert row["expires_on"].replace(tzinfo=UTC) == datetime(2051, 3, 4, 5, 7, 7, 892000, tzinfo=UTC)
    assert QueryDocument.model_validate(row) == document


async def test_nothing_that_a_client_named_becomes_a_field(mongo: MongoStore, rows: Rows) -> None:
    def names(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield name
                yield from names(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from names(inner)

    letter = make_dead_letter().model_copy(update={"headers": {"$where": "1", "a.b": "", "": "x", "nul\0": "y"}})
    await mongo.dead_letters.add(letter)
    await mongo.detectors.insert(make_detector("$gt"))
    await mongo.claims.make(make_claim(key="$gt"))
    await put(mongo, make_document(metadata_json='{"$gt": 1}', held="$gt"))
    assert await mongo.dead_letters.get(letter.id) == letter
    for collection in ("dead_letters", "detectors", "claims", "queries"):
        for row in rows[collection].find():
            assert all(name.replace("_", "").isalnum() for name in names(row)), row


async def test_numbers_beyond_64_bits_come_back(mongo: MongoStore) -> None:
    huge = make_document(state="answered", answer=make_answer().model_copy(update={"replay": HUGE, "attempt": HUGE}))
    plain = make_document(created_at=later(1))
    await put(mongo, huge, plain)
    assert await mongo.queries.load([huge.key, plain.key]) == {huge.key: huge, plain.key: plain}
    listed = await mongo.queries.page(TENANT, QueryFilter(state="answered"), None, 5)
    assert list(listed.items) == [huge]
    changed = huge.model_copy(update={"revision": 2, "attempts": HUGE})
    assert await mongo.queries.swap([Swap(changed, 1)]) == frozenset()
    assert await mongo.queries.swap([Swap(changed, 1)]) == {huge.key}
    assert await mongo.queries.overtaken(later(10), 5) == []


@pytest.mark.parametrize(
    "time", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
)
async def test_the_ends_of_the_calendar_are_times(mongo: MongoStore, time: datetime) -> None:
    document = make_document(expires_at=time, request_expires_at=time)
    blob = make_blob(expires_at=time)
    await put(mongo, document)
    await mongo.images.put(blob)
    if time.year > NOW.year:
        assert await mongo.queries.load([document.key]) == {document.key: document}
        assert await mongo.images.get(TENANT, blob.sha256) == blob


async def test_every_index_is_there_and_made_once(mongo: MongoStore, mongodb_url: str, rows: Rows) -> None:
    async with MongoStore(mongodb_url):
        for name, indexes in INDEXES.items():
            found = rows[name].index_information()
            for index in indexes:
                assert index.document["name"] in found
    for name in ("queries", "claims", "images", "model_files"):
        assert rows[name].index_information()["expires_on"]["expireAfterSeconds"] == 0
    assert rows["claims"].index_information()["by_key"]["unique"]


async def test_the_server_removes_by_its_own_clock_what_lies_in_rows(
    mongo: MongoStore, rows: Rows, driver: DriverName
) -> None:
    over = datetime.now(UTC) - timedelta(minutes=1)
    document, kept = make_document(expires_at=over), make_document()
    inline, large = make_blob(b"small", expires_at=over), make_blob(b"\1" * (INLINE_BYTES + 1), expires_at=over)
    await put(mongo, document, kept)
    await mongo.claims.make(make_claim(expires_at=over))
    await mongo.images.put(inline)
    await mongo.images.put(large)
    # What the deleter looks at: dates only, so that GridFS is left to `purge`, which removes the file too.
    now = datetime.now(UTC)
    for collection, due in {"queries": 1, "claims": 1, "images": 1}.items():
        assert rows[collection].count_documents({"expires_on": {"$lte": now}}) == due
    held = rows["images"].find_one({"sha256": large.sha256})
    assert held is not None
    assert held["expires_on"] == MaxKey()
    await mongo.images.keep_until(TENANT, large.sha256, later(1))
    assert rows["images"].count_documents({"expires_on": MaxKey()}) == 1
    assert await mongo.images.purge(later(1)) == 2
    assert rows["images.chunks"].count_documents({}) == 0
    assert rows["images.files"].count_documents({}) == 0
    assert rows["images.pending"].count_documents({}) == 0


async def test_large_blobs_lie_in_gridfs_as_its_tools_read_it(mongo: MongoStore, rows: Rows) -> None:
    blob, small = make_blob(bytes(range(256)) * 80_000), make_blob(b"small")
    await mongo.images.put(blob)
    await mongo.model_files.put(small)
    for name, stored in (("images", blob), ("model_files", small)):
        row = rows[name].find_one({"sha256": stored.sha256})
        assert row is not None
        bucket = gridfs.GridFSBucket(rows, bucket_name=name)
        with bucket.open_download_stream(row["file"]) as stream:
            assert stream.read() == stored.data
    await mongo.images.delete(TENANT, blob.sha256)
    assert rows["images.chunks"].count_documents({}) == 0


async def test_a_dead_letter_larger_than_a_document_is_kept_whole(mongo: MongoStore, rows: Rows) -> None:
    letter = make_dead_letter(body=b"\2" * (17 * 1024 * 1024))
    for _ in range(2):
        await mongo.dead_letters.add(letter)
    assert await mongo.dead_letters.get(letter.id) == letter
    await mongo.dead_letters.delete(letter.id)
    assert rows["dead_letters.chunks"].count_documents({}) == 0


async def test_what_a_killed_upload_left_is_swept_and_what_is_used_stays(mongo: MongoStore, rows: Rows) -> None:
    used = make_blob(b"\3" * (INLINE_BYTES + 1))
    await mongo.images.put(used)
    row = rows["images"].find_one({"sha256": used.sha256})
    assert row is not None
    rows["images.chunks"].insert_one({"files_id": "acme/left/1", "n": 0, "data": b"left"})
    rows["images.chunks"].insert_one({"files_id": "acme/young/1", "n": 0, "data": b"young"})
    now_us = int(SystemClock().now().timestamp() * 1_000_000)
    rows["images.pending"].insert_many(
        [
            {"_id": "acme/left/1", "since_us": Int64(now_us - 2 * 3600 * 1_000_000)},
            {"_id": row["file"], "since_us": Int64(now_us - 2 * 3600 * 1_000_000)},
            {"_id": "acme/young/1", "since_us": Int64(now_us)},
        ]
    )
    await mongo.images.purge(NOW)
    assert rows["images.chunks"].distinct("files_id") == [row["file"], "acme/young/1"]
    assert [pending["_id"] for pending in rows["images.pending"].find()] == ["acme/young/1"]
    assert await mongo.images.get(TENANT, used.sha256) == used
