"""What every store promises as a whole: it keeps what it took, says when it is away, and swaps like a dict.

The other test_conformance files hold the laws of each collection. All of them run on every adapter that
tests/support/stores.py names.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.errors import Unavailable
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.ephemeris import COLUMNS, pack
from services.kit.store.port import QueryFilter, Store, Swap
from tests.support.documents import (
    NOW,
    TENANT,
    later,
    make_blob,
    make_claim,
    make_dead_letter,
    make_detector,
    make_document,
    make_model,
    make_token,
)
from tests.support.space import DAY, make_product, make_records, make_source
from tests.support.stores import Connect, FixedClock


async def test_a_store_that_is_open_works(store: Store) -> None:
    await store.check()
    await store.check()


async def test_everything_is_there_after_reopening(connect: Connect, clock: FixedClock) -> None:
    document, claim, image, model_file = make_document(), make_claim(key="k"), make_blob(b"image"), make_blob(b"model")
    detector, model, token, letter = make_detector(), make_model(), make_token(), make_dead_letter()
    source, product = make_source(), make_product()
    async with connect(clock) as store:
        await store.queries.swap([Swap(document, 0)])
        await store.claims.make(claim)
        await store.images.put(image)
        await store.model_files.put(model_file)
        await store.detectors.insert(detector)
        await store.models.insert(model)
        await store.tokens.insert(token)
        await store.dead_letters.add(letter)
        await store.sources.insert(source)
        await store.ephemeris.put(TENANT, 46, pack(make_records((1, 2))))
        await store.data_products.put([product])
    for _ in range(2):
        async with connect(clock) as store:
            assert await store.queries.load([document.key]) == {document.key: document}
            assert list((await store.queries.page(TENANT, QueryFilter(), None, 10)).items) == [document]
            assert await store.claims.make(make_claim(key="k")) == claim
            assert await store.images.get(TENANT, image.sha256) == image
            assert await store.model_files.get(TENANT, model_file.sha256) == model_file
            assert await store.detectors.by_name(TENANT, detector.name) == detector
            assert await store.models.get(TENANT, model.id) == model
            assert await store.tokens.find(token.id) == token
            assert await store.dead_letters.get(letter.id) == letter
            assert await store.sources.get(TENANT, source.id) == source
            assert await store.ephemeris.availability(TENANT, (46,), DAY, DAY + 1) == {46: {DAY: 2}}
            assert (await store.data_products.page(TENANT, (46,), NOW, product.end, limit=2)).items == [product]


async def test_a_closed_store_says_so_and_does_not_hang(connect: Connect, clock: FixedClock) -> None:
    async with connect(clock) as store:
        await store.check()
    blob = make_blob()
    calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
        store.check,
        lambda: store.queries.load([make_document().key]),
        lambda: store.queries.swap([Swap(make_document(), 0)]),
        lambda: store.queries.page(TENANT, QueryFilter(), None, 1),
        lambda: store.queries.purge(NOW),
        lambda: store.claims.make(make_claim()),
        lambda: store.images.put(blob),
        lambda: store.images.get(TENANT, blob.sha256),
        lambda: store.detectors.insert(make_detector()),
        lambda: store.tokens.find("api_"),
        lambda: store.dead_letters.add(make_dead_letter()),
        lambda: store.ephemeris.put(TENANT, 46, pack(make_records((1,)))),
        lambda: store.ephemeris.read(TENANT, (46,), DAY, DAY + 1, COLUMNS),
        lambda: store.data_products.put([make_product()]),
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(call(), 30)


async def test_all_collections_at_once(store: Store) -> None:
    async def one(n: int) -> None:
        document, blob = make_document(created_at=later(n)), make_blob(b"%d" % n)
        await store.images.put(blob)
        await store.claims.make(make_claim(document.id, key=f"k{n}"))
        assert await store.queries.swap([Swap(document, 0)]) == frozenset()
        assert await store.queries.load([document.key]) == {document.key: document}
        assert await store.images.get(TENANT, blob.sha256) == blob

    await asyncio.gather(*(one(n) for n in range(50)))
    page = await store.queries.page(TENANT, QueryFilter(), None, 100)
    assert [document.created_at for document in page.items] == [later(n) for n in reversed(range(50))]


_IDS = [f"iq_{letter * 27}" for letter in "abcd"]
_batches = st.lists(
    st.dictionaries(st.sampled_from(_IDS), st.tuples(st.integers(0, 4), st.integers(1, 3)), min_size=1),
    max_size=12,
)
_tenants = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_batches)
async def test_swaps_do_what_they_would_do_to_a_dict(store: Store, batches: list[dict[str, tuple[int, int]]]) -> None:
    tenant = f"t{next(_tenants)}"  # the store outlives the example
    model: dict[QueryKey, QueryDocument] = {}
    for number, batch in enumerate(batches):
        swaps = [
            Swap(make_document(id_, tenant=tenant, revision=expected + step, lane=f"l{number}"), expected)
            for id_, (expected, step) in batch.items()
        ]
        conflicts = await store.queries.swap(swaps)
        accepted = {
            swap.document.key: swap.document
            for swap in swaps
            if swap.expected == (model[swap.document.key].revision if swap.document.key in model else 0)
        }
        assert conflicts == {swap.document.key for swap in swaps} - accepted.keys()
        model |= accepted
        assert await store.queries.load([QueryKey(tenant, id_) for id_ in _IDS]) == model
    page = await store.queries.page(tenant, QueryFilter(), None, 10)
    assert list(page.items) == sorted(model.values(), key=lambda document: document.id, reverse=True)
