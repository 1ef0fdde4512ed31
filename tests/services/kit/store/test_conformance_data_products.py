"""What every store promises about data products, and about the names of sources."""

from datetime import UTC, datetime

import pytest

from services.kit.errors import Conflict
from services.kit.store.ephemeris import Extent
from services.kit.store.micros import to_micros
from services.kit.store.port import Store
from services.kit.store.records import DataProduct, source_name
from services.kit.store.source_port import ProductCursor
from tests.support.documents import NOW, TENANT, later
from tests.support.space import make_product, make_source

_ALWAYS = (datetime(1950, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


async def listed(store: Store, *sources: int, tenant: str = TENANT) -> list[DataProduct]:
    page = await store.data_products.page(tenant, sources, *_ALWAYS, limit=1000)
    assert page.next is None
    return list(page.items)


async def test_a_product_comes_back_equal_and_once(store: Store) -> None:
    product = make_product("$gt a.b/\U0001f6aa?x=1&y", start_s=0.000001)
    for _ in range(2):
        await store.data_products.put([product])
    assert await listed(store, 46) == [product]


async def test_the_later_product_of_an_address_stays(store: Store) -> None:
    old, new = make_product("u"), make_product("u", kind="movie", start_s=5)
    await store.data_products.put([old])
    await store.data_products.put([new, make_product("v", start_s=9)])
    assert await listed(store, 46) == [new, make_product("v", start_s=9)]


async def test_a_product_matches_when_it_lies_within_the_range(store: Store) -> None:
    products = [make_product(f"u{start}", start_s=start, length_s=10) for start in (-1, 0, 40, 50, 51)]
    await store.data_products.put(products)
    page = await store.data_products.page(TENANT, (46,), later(0), later(60), limit=10)
    assert list(page.items) == products[1:4]


async def test_types_and_sources_choose(store: Store) -> None:
    keogram, movie, other = make_product("a"), make_product("b", kind="movie"), make_product("c", source=-7)
    await store.data_products.put([keogram, movie, other])
    page = await store.data_products.page(TENANT, (46,), *_ALWAYS, types=("movie", "montage"), limit=10)
    assert list(page.items) == [movie]
    assert await listed(store, -7) == [other]
    assert await listed(store, -7, 46) == [other, keogram, movie]
    assert await listed(store) == []
    assert await listed(store, 46, tenant="other") == []


async def test_pages_go_on_where_they_ended(store: Store) -> None:
    products = [make_product(f"u{n}", source=n % 3, start_s=n // 6) for n in range(20)]
    await store.data_products.put(products)
    found: list[DataProduct] = []
    cursor: ProductCursor | None = None
    while True:
        page = await store.data_products.page(TENANT, (0, 1, 2), *_ALWAYS, cursor=cursor, limit=3)
        found += page.items
        if page.next is None:
            break
        assert len(page.items) == 3
        cursor = page.next
    assert found == sorted(products, key=lambda product: (product.start, product.source, product.url))


async def test_addresses_are_removed(store: Store) -> None:
    await store.data_products.put([make_product("a"), make_product("b"), make_product("a", source=1)])
    assert await store.data_products.delete(TENANT, 46, ("a", "missing")) == 1
    assert await store.data_products.delete(TENANT, 46, ("a",)) == 0
    assert await store.data_products.delete(TENANT, 46, ()) == 0
    assert await listed(store, 46, 1) == [make_product("a", source=1), make_product("b")]


async def test_availability_counts_by_the_day_of_the_start(store: Store) -> None:
    early = make_product("e").model_copy(
        update={"start": datetime(1969, 12, 31, 23, tzinfo=UTC), "end": datetime(1970, 1, 1, 1, tzinfo=UTC)}
    )
    await store.data_products.put([early, make_product("a"), make_product("b"), make_product("c", start_s=86400)])
    day = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days
    found = await store.data_products.availability(TENANT, (46, 1), *_ALWAYS)
    assert found == {46: {-1: 1, day: 2, day + 1: 1}, 1: {}}
    assert await store.data_products.availability(TENANT, (46,), NOW, later(86400)) == {46: {day: 2}}


async def test_the_extent_says_how_much_there_is(store: Store) -> None:
    assert await store.data_products.extent(TENANT, 46) is None
    await store.data_products.put([make_product("a"), make_product("b", start_s=3)])
    assert await store.data_products.extent(TENANT, 46) == Extent(2, to_micros(NOW), to_micros(later(3)))


async def test_a_source_holds_its_triple(store: Store) -> None:
    source = make_source()
    await store.sources.insert(source)
    with pytest.raises(Conflict):
        await store.sources.insert(make_source(identifier=47))
    await store.sources.insert(make_source(identifier=47, program="rego"))
    await store.sources.insert(make_source(tenant="other"))
    assert await store.sources.by_name(TENANT, source_name("themis-asi", "gillam", "panchromatic ASI")) == source


async def test_a_removed_source_frees_its_identifier_and_its_triple(store: Store) -> None:
    source = make_source()
    await store.sources.insert(source)
    removed = source.model_copy(update={"revision": 2, "removed_at": NOW})
    await store.sources.replace(removed)
    await store.sources.insert(make_source(identifier=47))
    again = make_source("pinawa").model_copy(update={"revision": 3})
    await store.sources.replace(again)
    assert await store.sources.get(TENANT, "46") == again
