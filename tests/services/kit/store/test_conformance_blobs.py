"""What every store promises about blobs: the images and the model files."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

import pytest

from services.kit.store.mongo.store import INLINE_BYTES
from services.kit.store.port import Blobs, Store
from tests.support.documents import NOW, TENANT, later, make_blob

_COLLECTIONS: dict[str, Callable[[Store], Blobs]] = {
    "images": lambda store: store.images,
    "model_files": lambda store: store.model_files,
}


@pytest.fixture(params=sorted(_COLLECTIONS))
def blobs(request: pytest.FixtureRequest, store: Store) -> Blobs:
    return _COLLECTIONS[request.param](store)


@pytest.mark.parametrize("size_bytes", [0, 1, 255, 4096, 1_000_003, 20 * 1024 * 1024])
async def test_bytes_come_back_exactly(blobs: Blobs, size_bytes: int) -> None:
    blob = make_blob(random.Random(size_bytes).randbytes(size_bytes), expires_at=later(0.000001))
    await blobs.put(blob)
    assert await blobs.get(TENANT, blob.sha256) == blob


async def test_bytes_that_look_like_text_stay_bytes(blobs: Blobs) -> None:
    for data in (b"text", b"\x00", b"\x00\xff" * 3, "T\xfcr".encode(), b"NULL"):
        blob = make_blob(data)
        await blobs.put(blob)
        stored = await blobs.get(TENANT, blob.sha256)
        assert stored is not None
        assert stored.data == data


async def test_what_is_not_there_is_none(blobs: Blobs) -> None:
    assert await blobs.get(TENANT, make_blob().sha256) is None


async def test_the_collections_are_apart(store: Store) -> None:
    blob = make_blob()
    await store.images.put(blob)
    assert await store.model_files.get(TENANT, blob.sha256) is None
    await store.model_files.delete(TENANT, blob.sha256)
    assert await store.model_files.purge(later(10**9)) == 0
    assert await store.images.get(TENANT, blob.sha256) == blob


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(later(1), later(2), later(2), id="a later time wins"),
        pytest.param(later(2), later(1), later(2), id="an earlier time changes nothing"),
        pytest.param(later(1), None, None, id="for ever wins"),
        pytest.param(None, later(1), None, id="for ever stays"),
        pytest.param(None, None, None, id="for ever twice"),
    ],
)
async def test_the_later_expiry_is_kept(
    blobs: Blobs, first: datetime | None, second: datetime | None, kept: datetime | None
) -> None:
    by_put, by_keep = make_blob(b"put"), make_blob(b"keep")
    await blobs.put(by_put.model_copy(update={"expires_at": first}))
    await blobs.put(by_put.model_copy(update={"expires_at": second}))
    await blobs.put(by_keep.model_copy(update={"expires_at": first}))
    await blobs.keep_until(TENANT, by_keep.sha256, second)
    for blob in (by_put, by_keep):
        assert await blobs.get(TENANT, blob.sha256) == blob.model_copy(update={"expires_at": kept})


async def test_putting_again_moves_nothing_but_the_expiry(blobs: Blobs) -> None:
    blob = make_blob(expires_at=later(1))
    await blobs.put(blob)
    await blobs.put(blob.model_copy(update={"media_type": "image/webp", "expires_at": later(2)}))
    assert await blobs.get(TENANT, blob.sha256) == blob.model_copy(update={"expires_at": later(2)})


async def test_many_who_put_the_same_at_once_store_it_once(blobs: Blobs) -> None:
    blob = make_blob(b"same" * 10_000)
    expiries = [later(n) for n in range(20)]
    await asyncio.gather(*(blobs.put(blob.model_copy(update={"expires_at": expiry})) for expiry in expiries))
    assert await blobs.get(TENANT, blob.sha256) == blob.model_copy(update={"expires_at": expiries[-1]})
    assert await blobs.purge(expiries[-1]) == 1


async def test_one_put_of_many_that_is_cancelled_takes_no_other_along(blobs: Blobs) -> None:
    several = [make_blob(b"%d" % n) for n in range(20)]
    puts = [asyncio.ensure_future(blobs.put(blob)) for blob in several]
    await asyncio.sleep(0)
    puts[0].cancel()
    await asyncio.gather(*puts, return_exceptions=True)
    for blob in several[1:]:
        assert await blobs.get(TENANT, blob.sha256) == blob


async def test_keeping_what_is_not_there_does_nothing(blobs: Blobs) -> None:
    blob = make_blob()
    await blobs.keep_until(TENANT, blob.sha256, None)
    assert await blobs.get(TENANT, blob.sha256) is None


async def test_deleting_removes_and_may_be_repeated(blobs: Blobs) -> None:
    blob, other = make_blob(b"one"), make_blob(b"two")
    await blobs.put(blob)
    await blobs.put(other)
    for _ in range(2):
        await blobs.delete(TENANT, blob.sha256)
    assert await blobs.get(TENANT, blob.sha256) is None
    assert await blobs.get(TENANT, other.sha256) == other
    await blobs.put(blob)
    assert await blobs.get(TENANT, blob.sha256) == blob


@pytest.mark.parametrize("size_bytes", [3, INLINE_BYTES + 1])
async def test_only_a_blob_that_is_as_it_was_seen_is_deleted(blobs: Blobs, size_bytes: int) -> None:
    blob = make_blob(bytes(size_bytes), expires_at=later(1))
    await blobs.put(blob)
    again = blob.model_copy(update={"expires_at": later(2)})
    await blobs.put(again)
    await blobs.delete(TENANT, blob.sha256, seen=blob)
    assert await blobs.get(TENANT, blob.sha256) == again
    await blobs.delete(TENANT, blob.sha256, seen=again)
    assert await blobs.get(TENANT, blob.sha256) is None
    kept = blob.model_copy(update={"expires_at": None})
    await blobs.put(kept)
    await blobs.delete(TENANT, blob.sha256, seen=again)
    assert await blobs.get(TENANT, blob.sha256) == kept
    await blobs.delete(TENANT, blob.sha256, seen=kept)
    assert await blobs.get(TENANT, blob.sha256) is None


async def test_tenants_share_no_blob(blobs: Blobs) -> None:
    ours = make_blob(expires_at=later(1))
    theirs = make_blob(tenant="other", expires_at=later(1))
    await blobs.put(ours)
    assert await blobs.get("other", ours.sha256) is None
    await blobs.put(theirs)
    await blobs.keep_until("other", ours.sha256, None)
    await blobs.delete("other", ours.sha256)
    assert await blobs.get(TENANT, ours.sha256) == ours
    assert await blobs.get("other", ours.sha256) is None


async def test_a_purge_removes_expired_blobs_of_every_tenant(blobs: Blobs) -> None:
    over = [make_blob(b"%d" % n, tenant=("a", TENANT)[n % 2], expires_at=later(n - 119)) for n in range(120)]
    kept = [make_blob(b"later", expires_at=later(0.000001)), make_blob(b"for ever")]
    for blob in (*over, *kept):
        await blobs.put(blob)
    assert await blobs.purge(NOW) == len(over)
    assert await blobs.purge(NOW) == 0
    for blob in over:
        assert await blobs.get(blob.tenant, blob.sha256) is None
    for blob in kept:
        assert await blobs.get(TENANT, blob.sha256) == blob
