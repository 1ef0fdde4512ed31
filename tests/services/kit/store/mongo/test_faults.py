"""What stays true when MongoDB is killed, freezes, or its answers are lost."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import MongoClient

from infra.drill.proxy import proxying
from services.kit.errors import Unavailable, Unknown
from services.kit.store.documents import QueryDocument
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.store import INLINE_BYTES, MongoStore
from services.kit.store.port import QueryFilter, Swap
from tests.services.kit.store.mongo.conftest import Rows
from tests.support.documents import NOW, TENANT, make_blob, make_claim, make_detector, make_document
from tests.support.replies import losing
from tests.support.servers import MongoServer
from tests.support.until import until

_ENOUGH_S = 20.0
_ALWAYS = 1_000_000


def revised(document: QueryDocument, **changes: object) -> QueryDocument:
    return document.model_copy(update={"revision": document.revision + 1, **changes})


@contextmanager
def fail_point(server: MongoServer, mode: object, **data: object) -> Iterator[None]:
    """Make the server fail commands of our clients."""
    with MongoClient[dict[str, Any]](server.url) as client:
        switch = {"configureFailPoint": "failCommand", "data": {"appName": "sightline", **data}}
        client.admin.command({**switch, "mode": mode})
        try:
            yield
        finally:
            client.admin.command({**switch, "mode": "off"})


async def write_until_it_fails(store: MongoStore, acknowledged: dict[str, int], claims: list[str]) -> None:
    while True:
        document = make_document()
        claim = make_claim(key=document.id)
        try:
            await store.queries.swap([Swap(document, 0)])
            acknowledged[document.id] = 1
            await store.queries.swap([Swap(revised(document), 1)])
            acknowledged[document.id] = 2
            claims.append((await store.claims.make(claim)).id)
        except Unavailable:
            return


@pytest.mark.timeout(120)
async def test_what_was_acknowledged_is_there_after_kill_9(
    mongodb: MongoServer, mongodb_url: str, driver: DriverName
) -> None:
    acknowledged: dict[str, int] = {}
    claims: list[str] = []
    async with MongoStore(mongodb_url, driver=driver) as store:
        writers = [asyncio.create_task(write_until_it_fails(store, acknowledged, claims)) for _ in range(8)]
        await until(lambda: len(acknowledged) > 200)
        try:
            await asyncio.to_thread(mongodb.kill)
            async with asyncio.timeout(_ENOUGH_S):
                await asyncio.gather(*writers)
        finally:
            await asyncio.to_thread(mongodb.start)
        keys = [make_document(query_id).key for query_id in acknowledged]
        stored = await store.queries.load(keys)  # the same store, on new connections
        for key in keys:
            assert stored[key].revision >= acknowledged[key.id]
        for claim_id in claims:
            assert await store.claims.find(make_document(claim_id).key) is not None


@pytest.mark.timeout(120)
async def test_a_frozen_server_is_unavailable_in_time(
    mongodb: MongoServer, mongodb_url: str, driver: DriverName
) -> None:
    document, blob = make_document(), make_blob(b"\0" * (INLINE_BYTES + 1))
    async with MongoStore(mongodb_url, driver=driver) as store:
        await store.queries.swap([Swap(document, 0)])
        calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
            store.check,
            lambda: store.queries.swap([Swap(revised(document), 1)]),
            lambda: store.queries.page(TENANT, QueryFilter(), None, 1),
            lambda: store.queries.overtaken(NOW, 1),
            lambda: store.claims.make(make_claim()),
            lambda: store.images.put(blob),
            lambda: store.detectors.insert(make_detector()),
            # More than there are connections and threads.
            *(lambda: store.queries.load([document.key]) for _ in range(150)),
        ]
        mongodb.pause()
        try:
            async with asyncio.timeout(_ENOUGH_S):
                outcomes = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
                with pytest.raises(Unavailable):
                    async with MongoStore(mongodb_url, driver=driver):
                        pass
        finally:
            mongodb.resume()
        assert [outcome for outcome in outcomes if not isinstance(outcome, Unavailable)] == []
        assert isinstance(outcomes[1], Unknown)
        assert await store.queries.load([document.key])


@pytest.mark.timeout(120)
async def test_a_store_on_a_frozen_server_can_be_left(
    mongodb: MongoServer, mongodb_url: str, driver: DriverName
) -> None:
    key = make_document().key
    try:
        async with asyncio.timeout(_ENOUGH_S), MongoStore(mongodb_url, driver=driver) as store:
            await store.queries.load([key])
            mongodb.pause()
            loading = asyncio.create_task(store.queries.load([key]))
            await asyncio.sleep(0)
            loading.cancel()
            await asyncio.wait([loading])
    finally:
        mongodb.resume()


@pytest.mark.parametrize("expected", [0, 1])
async def test_one_lost_answer_is_not_noticed(
    mongodb_url: str, mongo: MongoStore, driver: DriverName, expected: int
) -> None:
    document = make_document()
    if expected:
        await mongo.queries.swap([Swap(document, 0)])
        document = revised(document)
    async with losing(mongodb_url, b"queries") as proxy, MongoStore(proxy.url(mongodb_url), driver=driver) as store:
        proxy.lose(1)
        assert await store.queries.swap([Swap(document, expected)]) == frozenset()
        assert proxy.lost == 1
    assert await mongo.queries.load([document.key]) == {document.key: document}


@pytest.mark.parametrize("expected", [0, 1])
async def test_a_swap_that_took_effect_unheard_is_unknown_and_its_repetition_no_conflict(
    mongodb_url: str, mongo: MongoStore, driver: DriverName, expected: int
) -> None:
    document = make_document()
    if expected:
        await mongo.queries.swap([Swap(document, 0)])
        document = revised(document)
    async with losing(mongodb_url, b"queries") as proxy, MongoStore(proxy.url(mongodb_url), driver=driver) as store:
        proxy.lose(_ALWAYS)
        with pytest.raises(Unknown):
            await store.queries.swap([Swap(document, expected)])
        proxy.lose(0)
        assert await mongo.queries.load([document.key]) == {document.key: document}
        assert await mongo.queries.swap([Swap(document, expected)]) == {document.key}  # another's is another's
        other = make_document()
        assert await store.queries.swap([Swap(other, 0), Swap(document, expected)]) == frozenset()
        assert await store.queries.swap([Swap(document, expected)]) == {document.key}  # settled by now


async def test_a_write_whose_majority_is_not_confirmed_is_unknown(mongodb: MongoServer, mongo: MongoStore) -> None:
    document, detector, claim, blob = make_document(), make_detector(), make_claim(key="k"), make_blob()
    lost = {"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}
    with fail_point(mongodb, "alwaysOn", failCommands=["insert", "update"], writeConcernError=lost):
        for call in (
            mongo.queries.swap([Swap(document, 0)]),
            mongo.detectors.insert(detector),
            mongo.claims.make(claim),
            mongo.images.put(blob),
        ):
            with pytest.raises(Unknown):
                await call

    async def is_there() -> bool:
        return await mongo.queries.load([document.key]) == {document.key: document}

    await until(is_there)  # a majority has it a moment later
    assert await mongo.queries.swap([Swap(document, 0)]) == frozenset()
    assert await mongo.claims.make(claim) == claim
    await mongo.images.put(blob)
    assert await mongo.images.get(TENANT, blob.sha256) == blob


async def test_connections_that_break_twice_before_a_command_do_not_matter(
    mongodb: MongoServer, mongo: MongoStore
) -> None:
    document = make_document()
    with fail_point(mongodb, {"times": 2}, failCommands=["insert"], closeConnection=True):
        assert await mongo.queries.swap([Swap(document, 0)]) == frozenset()
    assert await mongo.queries.load([document.key]) == {document.key: document}


@pytest.mark.parametrize("code", [14031, 8, 133])
async def test_what_the_server_cannot_do_now_is_unavailable(mongodb: MongoServer, mongo: MongoStore, code: int) -> None:
    with fail_point(mongodb, "alwaysOn", failCommands=["insert", "find"], errorCode=code):
        with pytest.raises(Unavailable):
            await mongo.queries.swap([Swap(make_document(), 0)])
        with pytest.raises(Unavailable):
            await mongo.queries.load([make_document().key])
        with pytest.raises(Unavailable):
            await mongo.check()


@pytest.mark.parametrize("command", ["insert", "update"])
async def test_an_upload_that_fails_leaves_no_chunk(
    mongodb: MongoServer, mongo: MongoStore, rows: Rows, command: str
) -> None:
    blob = make_blob(b"\7" * (20 * 1024 * 1024))
    # `insert` fails at a later group of chunks, `update` at the row that would name the file.
    skipped = {"insert": 2, "update": 1}[command]
    with (
        fail_point(mongodb, {"skip": skipped}, failCommands=[command], errorCode=14031),
        pytest.raises(Unavailable),
    ):
        await mongo.model_files.put(blob)
    assert await mongo.model_files.get(TENANT, blob.sha256) is None
    for name in ("model_files", "model_files.files", "model_files.chunks"):
        assert rows[name].count_documents({}) == 0, name
    await mongo.model_files.put(blob)
    assert await mongo.model_files.get(TENANT, blob.sha256) == blob


async def test_cancelled_calls_cost_no_connection(mongodb: MongoServer, mongodb_url: str, driver: DriverName) -> None:
    key = make_document().key
    async with proxying(mongodb_url) as proxy, MongoStore(proxy.url(mongodb_url), driver=driver) as store:
        with fail_point(mongodb, "alwaysOn", failCommands=["find"], blockConnection=True, blockTimeMS=300):
            await asyncio.gather(*(store.queries.load([key]) for _ in range(10)))
            before = proxy.connections
            for _ in range(3):
                loads = [asyncio.create_task(store.queries.load([key])) for _ in range(10)]
                await asyncio.sleep(0.05)
                for load in loads:
                    load.cancel()
                await asyncio.wait(loads)
                assert all(load.cancelled() for load in loads)
                await asyncio.sleep(0.4)
        await asyncio.gather(*(store.queries.load([key]) for _ in range(10)))
        assert proxy.connections == before
