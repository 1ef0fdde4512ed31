"""Least privilege: every service can do its own work with its own user, and nothing else."""

import pytest

from services.kit.errors import ConfigError, Unavailable
from services.kit.store.ephemeris import COLUMNS, pack
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.errors import Forbidden
from services.kit.store.mongo.indexes import INDEXES
from services.kit.store.mongo.roles import COLLECTIONS, ROLES, RoleName
from services.kit.store.mongo.store import INLINE_BYTES, MongoStore, install
from services.kit.store.port import LetterFilter, QueryFilter, Swap
from tests.services.kit.store.mongo.conftest import Rows
from tests.support.documents import (
    DETECTOR_ID,
    NOW,
    SHA256,
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
from tests.support.users import mongodb_users

Users = dict[RoleName, str]
LARGE = make_blob(b"\1" * (INLINE_BYTES + 1))


@pytest.fixture
def users(mongodb_url: str) -> Users:
    return mongodb_users(mongodb_url)


@pytest.fixture
async def installed(users: Users, driver: DriverName) -> Users:
    await install(users["install"], driver=driver)
    return users


def test_every_collection_with_an_index_is_in_the_table() -> None:
    assert set(INDEXES) <= set(COLLECTIONS)
    for allowed in ROLES.values():
        assert set(allowed) <= set(COLLECTIONS)


async def test_missing_indexes_are_named_to_a_user_who_may_not_make_them(users: Users, driver: DriverName) -> None:
    with pytest.raises(ConfigError, match=r"indexes are missing.*queries\.by_time.*may not make them"):
        async with MongoStore(users["result_store"], driver=driver):
            pass


async def test_one_dropped_index_is_named(installed: Users, driver: DriverName, rows: Rows) -> None:
    rows["claims"].drop_index("by_key")
    with pytest.raises(ConfigError, match=r"missing in MongoDB \(claims\.by_key\)"):
        async with MongoStore(installed["gateway"], driver=driver):
            pass
    await install(installed["install"], driver=driver)
    async with MongoStore(installed["gateway"], driver=driver):
        pass


async def test_the_result_store_folds_keeps_images_and_sweeps(installed: Users, driver: DriverName) -> None:
    document, model = make_document(), make_model()
    async with MongoStore(installed["gateway"], driver=driver) as gateway:
        await gateway.models.insert(model)
        await gateway.model_files.put(make_blob())
    async with MongoStore(installed["result_store"], driver=driver) as store:
        await store.check()
        assert await store.queries.swap([Swap(document, 0)]) == frozenset()
        assert await store.queries.swap([Swap(document.model_copy(update={"revision": 2}), 1)]) == frozenset()
        assert await store.queries.overtaken(NOW, 5) == []
        assert await store.queries.past_expiry(NOW, 5) == []
        assert await store.queries.held(TENANT, DETECTOR_ID, 5) == []
        assert await store.queries.uses_image(TENANT, SHA256)
        assert not await store.claims.uses_image(TENANT, SHA256)
        for blob in (make_blob(), LARGE):
            await store.images.put(blob)
            await store.images.keep_until(TENANT, blob.sha256, later(1))
            assert await store.images.get(TENANT, blob.sha256) is not None
            await store.images.delete(TENANT, blob.sha256)
        await store.claims.delete(document.key)
        letter, large = make_dead_letter("dead_1"), make_dead_letter("dead_2", body=bytes(INLINE_BYTES + 1))
        for kept in (letter, large):
            await store.dead_letters.add(kept)
            assert await store.dead_letters.get(kept.id) == kept
        assert len((await store.dead_letters.page(LetterFilter(), None, 5)).items) == 2
        assert await store.dead_letters.counts() == {letter.reason: 2}
        await store.dead_letters.delete(letter.id)
        assert await store.dead_letters.purge(NOW) == 1
        await store.models.replace(model.model_copy(update={"revision": 2}))
        await store.model_files.delete(TENANT, make_blob().sha256)
        assert await store.model_files.get(TENANT, make_blob().sha256) is None
        for purged in (store.queries, store.claims, store.images):
            await purged.purge(NOW)
        for refused in (
            store.claims.make(make_claim()),
            store.detectors.insert(make_detector()),
            store.models.insert(make_model("other")),
            store.tokens.insert(make_token()),
        ):
            with pytest.raises(Forbidden):
                await refused


async def test_the_submitter_claims_and_stores_images(installed: Users, driver: DriverName) -> None:
    async with MongoStore(installed["submitter"], driver=driver) as store:
        await store.check()
        first = await store.claims.make(make_claim(key="k", expires_at=later(-(10**9))))
        second = make_claim(key="k")
        assert await store.claims.make(second) == second != first
        for blob in (make_blob(), LARGE, make_blob()):
            await store.images.put(blob)
        assert await store.queries.load([make_document().key]) == {}
        assert await store.detectors.get(TENANT, DETECTOR_ID) is None
        assert await store.tokens.find("api_") is None
        for refused in (
            store.queries.swap([Swap(make_document(), 0)]),
            store.detectors.insert(make_detector()),
            store.tokens.insert(make_token()),
            store.model_files.put(make_blob()),
            store.dead_letters.add(make_dead_letter()),
        ):
            with pytest.raises(Forbidden):
                await refused


async def test_the_gateway_reads_and_controls(installed: Users, driver: DriverName) -> None:
    detector, model, token = make_detector(), make_model(), make_token()
    async with MongoStore(installed["gateway"], driver=driver) as store:
        await store.check()
        await store.queries.page(TENANT, QueryFilter(), None, 5)
        assert await store.claims.find(make_document().key) is None
        assert await store.images.get(TENANT, SHA256) is None
        await store.detectors.insert(detector)
        await store.detectors.replace(detector.model_copy(update={"revision": 2}))
        await store.models.insert(model)
        await store.tokens.insert(token)
        await store.model_files.put(LARGE)
        await store.model_files.delete(TENANT, LARGE.sha256)
        assert await store.dead_letters.get("dead_1") is await store.dead_letters.summary("dead_1") is None
        assert (await store.dead_letters.page(LetterFilter(), None, 5)).items == []
        for refused in (
            store.dead_letters.add(make_dead_letter()),
            store.queries.swap([Swap(make_document(), 0)]),
            store.claims.make(make_claim()),
            store.images.put(make_blob()),
            store.images.keep_until(TENANT, SHA256, None),
        ):
            with pytest.raises(Forbidden):
                await refused


async def test_search_reads_what_the_gateway_keeps_of_sources(installed: Users, driver: DriverName) -> None:
    days = pack(make_records((1, 2)))
    async with MongoStore(installed["gateway"], driver=driver) as gateway:
        await gateway.sources.insert(make_source())
        await gateway.ephemeris.put(TENANT, 46, days)
        await gateway.ephemeris.put(TENANT, 46, days)
        await gateway.data_products.put([make_product("a"), make_product("b")])
        assert await gateway.data_products.delete(TENANT, 46, ("a",)) == 1
        assert (await gateway.ephemeris.availability(TENANT, (46,), DAY, DAY + 1))[46] == {DAY: 2}
        assert await gateway.ephemeris.extent(TENANT, 46) is not None
        await gateway.ephemeris.put(TENANT, 47, days)
        assert await gateway.ephemeris.delete(TENANT, 47, 0, 2**40) == 2
        await gateway.sources.replace(make_source().model_copy(update={"revision": 2}))
    async with MongoStore(installed["search"], driver=driver) as store:
        await store.check()
        assert await store.sources.get(TENANT, "46") == make_source().model_copy(update={"revision": 2})
        assert (await store.ephemeris.read(TENANT, (46,), DAY, DAY + 1, COLUMNS))[46] == days
        assert await store.data_products.extent(TENANT, 46) is not None
        for refused in (
            store.sources.insert(make_source()),
            store.ephemeris.put(TENANT, 46, days),
            store.data_products.put([make_product()]),
            store.queries.swap([Swap(make_document(), 0)]),
        ):
            with pytest.raises(Forbidden):
                await refused


async def test_inference_only_reads(installed: Users, driver: DriverName) -> None:
    async with MongoStore(installed["submitter"], driver=driver) as store:
        await store.images.put(LARGE)
    async with MongoStore(installed["inference"], driver=driver) as store:
        await store.check()
        assert await store.images.get(TENANT, LARGE.sha256) == LARGE
        assert await store.model_files.get(TENANT, SHA256) is None
        assert await store.models.by_name(TENANT, "door") is None
        assert await store.detectors.by_name(TENANT, "door") is None
        assert await store.tokens.find("api_") is None
        for refused in (
            store.queries.swap([Swap(make_document(), 0)]),
            store.claims.make(make_claim()),
            store.claims.find(make_document().key),
            store.images.put(make_blob()),
            store.model_files.put(make_blob()),
            store.models.insert(make_model()),
            store.detectors.insert(make_detector()),
            store.tokens.insert(make_token()),
            store.dead_letters.add(make_dead_letter()),
        ):
            with pytest.raises(Forbidden):
                await refused


async def test_a_check_by_a_user_who_may_write_does_write(mongo: MongoStore, rows: Rows) -> None:
    first = rows["checks"].find_one({"_id": "check"})
    await mongo.check()
    second = rows["checks"].find_one({"_id": "check"})
    assert first is not None
    assert second is not None
    assert second["checked_us"] > first["checked_us"]
    assert issubclass(Forbidden, Unavailable)
