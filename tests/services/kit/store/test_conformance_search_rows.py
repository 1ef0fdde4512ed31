"""What every store promises about the rows of searches."""

from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed, RecordedPart, Store
from tests.support.documents import TENANT, later

KEY = QueryKey(TENANT, "sr_00EHX2Lp8VzQx3RkTnYbWc5GhJd")
OTHER = QueryKey("elsewhere", KEY.id)


async def test_a_part_comes_back_chunk_by_chunk(store: Store) -> None:
    chunks = [b"one", b"\x00\xff" * 100_000, b""]
    await store.search_rows.put(KEY, 3, Packed(chunks, 7, 2**40), later(60))
    await store.search_rows.put(KEY, 1, Packed([], 0, 0), later(60))
    assert await store.search_rows.recorded(KEY) == {1: RecordedPart(0, 0, 0), 3: RecordedPart(3, 7, 2**40)}
    assert await store.search_rows.recorded(KEY, [2, 3]) == {3: RecordedPart(3, 7, 2**40)}
    assert await store.search_rows.recorded(KEY, []) == {}
    assert [await store.search_rows.get(KEY, 3, number) for number in range(4)] == [*chunks, None]


async def test_a_part_that_is_put_again_is_there_once(store: Store) -> None:
    await store.search_rows.put(KEY, 1, Packed([b"a", b"b"], 1, 1), later(60))
    await store.search_rows.put(KEY, 1, Packed([b"c"], 1, 1), None)
    assert await store.search_rows.recorded(KEY) == {1: RecordedPart(1, 1, 1)}
    assert await store.search_rows.get(KEY, 1, 0) == b"c"


async def test_tenants_do_not_see_each_others_rows(store: Store) -> None:
    await store.search_rows.put(KEY, 1, Packed([b"a"], 1, 1), later(60))
    assert await store.search_rows.recorded(OTHER) == {}
    assert await store.search_rows.get(OTHER, 1, 0) is None
    await store.search_rows.delete(OTHER)
    assert await store.search_rows.get(KEY, 1, 0) == b"a"


async def test_what_is_deleted_or_outdated_is_gone_and_the_rest_stays(store: Store) -> None:
    await store.search_rows.put(KEY, 1, Packed([b"a"], 1, 1), later(60))
    await store.search_rows.put(KEY, 2, Packed([b"b"], 1, 1), None)
    await store.search_rows.put(OTHER, 1, Packed([b"c"], 1, 1), later(120))
    assert await store.search_rows.purge(later(60)) == 1
    assert await store.search_rows.recorded(KEY) == {2: RecordedPart(1, 1, 1)}
    assert await store.search_rows.get(KEY, 1, 0) is None
    await store.search_rows.delete(KEY)
    assert await store.search_rows.recorded(KEY) == {}
    assert await store.search_rows.get(OTHER, 1, 0) == b"c"
