"""What every store promises about the rows of searches."""

from services.kit.store.documents import QueryKey
from services.kit.store.port import Store
from tests.support.documents import TENANT, later

KEY = QueryKey(TENANT, "sr_00EHX2Lp8VzQx3RkTnYbWc5GhJd")
OTHER = QueryKey("elsewhere", KEY.id)


async def test_a_part_comes_back_chunk_by_chunk(store: Store) -> None:
    chunks = [b"one", b"\x00\xff" * 100_000, b""]
    await store.search_rows.put(KEY, 3, chunks, later(60))
    await store.search_rows.put(KEY, 1, [], later(60))
    assert await store.search_rows.recorded(KEY) == {1: 0, 3: 3}
    assert [await store.search_rows.get(KEY, 3, number) for number in range(4)] == [*chunks, None]


async def test_a_part_that_is_put_again_is_there_once(store: Store) -> None:
    await store.search_rows.put(KEY, 1, [b"a", b"b"], later(60))
    await store.search_rows.put(KEY, 1, [b"c"], None)
    assert await store.search_rows.recorded(KEY) == {1: 1}
    assert await store.search_rows.get(KEY, 1, 0) == b"c"


async def test_tenants_do_not_see_each_others_rows(store: Store) -> None:
    await store.search_rows.put(KEY, 1, [b"a"], later(60))
    assert await store.search_rows.recorded(OTHER) == {}
    assert await store.search_rows.get(OTHER, 1, 0) is None
    await store.search_rows.delete(OTHER)
    assert await store.search_rows.get(KEY, 1, 0) == b"a"


async def test_what_is_deleted_or_outdated_is_gone_and_the_rest_stays(store: Store) -> None:
    await store.search_rows.put(KEY, 1, [b"a"], later(60))
    await store.search_rows.put(KEY, 2, [b"b"], None)
    await store.search_rows.put(OTHER, 1, [b"c"], later(120))
    assert await store.search_rows.purge(later(60)) == 1
    assert await store.search_rows.recorded(KEY) == {2: 1}
    assert await store.search_rows.get(KEY, 1, 0) is None
    await store.search_rows.delete(KEY)
    assert await store.search_rows.recorded(KEY) == {}
    assert await store.search_rows.get(OTHER, 1, 0) == b"c"
