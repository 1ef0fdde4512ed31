"""Idempotency keys and claims: a repeat is the same question, whatever broke in between."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from services.kit.store.documents import QueryKey
from services.kit.store.port import Claims, Swap
from services.kit.store.records import Claim
from services.kit.store.sqlite import SqliteStore
from tests.support.documents import make_document
from tests.support.images import make_jpeg
from tests.support.submitting import TENANT, Door, open_door, rows_in
from tests.support.until import until

JPEG = make_jpeg()
KEY = {"Idempotency-Key": "gate-3/000017"}


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path) as door:
        yield door


async def test_one_key_in_parallel_gives_one_id(door: Door) -> None:
    responses = await asyncio.gather(*(door.ask(JPEG, headers=KEY) for _ in range(50)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["id"] for response in responses}) == 1
    events = await door.published()
    assert len({event.id for event in events}) == 1, "a repeat is the same fact"
    assert len({event.payload for event in events}) == 1
    assert rows_in(door.store_path)["claims"] == 1


async def test_without_a_key_every_submission_is_a_question_of_its_own(door: Door) -> None:
    responses = await asyncio.gather(*(door.ask(JPEG) for _ in range(20)))
    assert len({response.json()["id"] for response in responses}) == 20
    assert rows_in(door.store_path)["claims"] == 20


class SlowClaims:
    """The store's claims, made when they are let go."""

    def __init__(self, inner: Claims) -> None:
        self._inner = inner
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def make(self, claim: Claim) -> Claim:
        self.asked.set()
        await self.go.wait()
        return await self._inner.make(claim)


async def test_a_question_is_accepted_when_it_is_claimed_and_published(door: Door) -> None:
    store = cast("SqliteStore", door.platform.store)
    slow = SlowClaims(store.claims)
    store.claims = cast("Any", slow)
    asking = asyncio.create_task(door.ask(JPEG))
    await slow.asked.wait()

    async def published() -> bool:
        return len(await door.published()) == 1

    await until(published)  # at the same time as the claim, which is not there yet
    assert not asking.done()
    slow.go.set()
    query_id = (await asking).json()["id"]
    assert await store.claims.find(QueryKey(TENANT, query_id)) is not None


async def test_with_a_key_nothing_is_published_before_the_claim_is_made(door: Door) -> None:
    store = cast("SqliteStore", door.platform.store)
    slow = SlowClaims(store.claims)
    store.claims = cast("Any", slow)
    first, second = (asyncio.create_task(door.ask(JPEG, headers=KEY)) for _ in range(2))
    await slow.asked.wait()
    assert await door.published() == []
    slow.go.set()
    assert (await first).json()["id"] == (await second).json()["id"]
    assert len({event.id for event in await door.published()}) == 1


async def test_the_key_holds_after_a_restart(tmp_path: Path) -> None:
    async with open_door(tmp_path) as first:
        query_id = (await first.ask(JPEG, headers=KEY)).json()["id"]
        detector = first.detector
    async with open_door(tmp_path, detector=detector) as second:
        assert (await second.ask(JPEG, headers=KEY)).json()["id"] == query_id
        assert (await second.ask(make_jpeg(1), headers=KEY)).json()["code"] == "key_reused"


@pytest.mark.parametrize(
    "parameters",
    [{"confidence_threshold": 0.5}, {"patience_s": 5}, {"expires_in_s": 60}, {"metadata": "1"}],
    ids=lambda parameters: next(iter(parameters)),
)
async def test_the_key_with_other_parameters_is_refused(door: Door, parameters: dict[str, float | str]) -> None:
    assert (await door.ask(JPEG, headers=KEY)).status_code == 202
    before = await door.left_behind()
    response = await door.ask(JPEG, headers=KEY, **parameters)
    assert (response.status_code, response.json()["code"]) == (422, "key_reused")
    assert await door.left_behind() == before


async def test_the_key_with_another_large_image_stores_nothing_of_it(door: Door) -> None:
    assert (await door.ask(JPEG, headers=KEY)).status_code == 202
    before = await door.left_behind()
    response = await door.ask(make_jpeg(1, size_bytes=200_000), headers=KEY)
    assert response.json()["code"] == "key_reused"
    assert await door.left_behind() == before


async def test_a_repeat_after_a_crash_between_claim_and_publish_publishes(tmp_path: Path) -> None:
    async with open_door(tmp_path) as first:
        await first.platform.bus.__aexit__(None, None, None)
        response = await first.ask(JPEG, headers=KEY)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response.headers["Retry-After"]
        assert rows_in(first.store_path)["claims"] == 1
        detector = first.detector
    async with open_door(tmp_path, detector=detector) as second:
        assert await second.published() == []
        query_id = (await second.ask(JPEG, headers=KEY)).json()["id"]
        (event,) = await second.published()
        assert event.payload.query_id == query_id
        assert await second.platform.store.claims.find(QueryKey(TENANT, query_id)) is not None
        assert rows_in(second.store_path)["claims"] == 1


async def test_a_repeat_whose_record_is_there_publishes_nothing_and_shows_it(door: Door) -> None:
    query_id = (await door.ask(JPEG, headers=KEY)).json()["id"]
    document = make_document(query_id, tenant=TENANT, state="cancelled")
    await door.platform.store.queries.swap([Swap(document, 0)])
    response = await door.ask(JPEG, headers=KEY)
    assert (response.status_code, response.json()["id"], response.json()["state"]) == (202, query_id, "cancelled")
    assert len(await door.published()) == 1


async def test_a_repeat_publishes_again_what_is_answered_and_has_lost_its_question(door: Door) -> None:
    """One of its two queues was full, so it was refused; the workers had it all the same."""
    query_id = (await door.ask(JPEG, headers=KEY)).json()["id"]
    document = make_document(query_id, tenant=TENANT, state="answered", requested=False)
    await door.platform.store.queries.swap([Swap(document, 0)])
    response = await door.ask(JPEG, headers=KEY)
    assert (response.status_code, response.json()["id"]) == (202, query_id)
    first, again = await door.published()
    assert (again.id, again.payload) == (first.id, first.payload)


async def test_a_repeat_of_an_erased_query_says_so(door: Door) -> None:
    query_id = (await door.ask(JPEG, headers=KEY)).json()["id"]
    now = door.platform.clock.now()
    await door.platform.store.queries.swap([Swap(make_document(query_id, tenant=TENANT, erased_at=now), 0)])
    response = await door.ask(JPEG, headers=KEY)
    assert (response.status_code, response.json()["code"]) == (410, "query_erased")


async def test_with_the_store_away_a_keyed_question_is_refused_for_now(door: Door) -> None:
    await door.ask(JPEG)  # the detector is known now
    await door.platform.store.__aexit__(None, None, None)
    response = await door.ask(JPEG, headers=KEY)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert len(await door.published()) == 1


@pytest.mark.parametrize(("headers", "status"), [(KEY, 503), ({}, 202)])
async def test_a_store_that_hangs_is_away(door: Door, headers: dict[str, str], status: int) -> None:
    async def hang(claim: Claim) -> Claim:
        await asyncio.Event().wait()
        return claim

    door.platform.store.claims.make = hang  # type: ignore[method-assign]
    response = await door.ask(JPEG, headers=headers)
    assert response.status_code == status
    assert len(await door.published()) == (status == 202)


@pytest.mark.parametrize("by", ["id", "name"])
async def test_with_the_store_away_a_keyless_question_is_accepted(door: Door, by: str) -> None:
    detector = getattr(door.detector, by)
    await door.ask(JPEG, detector=detector)
    await door.platform.store.__aexit__(None, None, None)
    response = await door.ask(JPEG, detector=detector)
    assert response.status_code == 202
    assert [event.payload.query_id for event in await door.published()][1] == response.json()["id"]


async def test_with_the_store_away_a_large_image_travels_inside_the_message(door: Door) -> None:
    image = make_jpeg(size_bytes=8 * 1024 * 1024)
    await door.ask(JPEG)
    await door.platform.store.__aexit__(None, None, None)
    assert (await door.ask(image)).status_code == 202
    assert (await door.ask(image + b"\0")).status_code == 503
    assert [event.payload.image.size_bytes for event in await door.published()] == [len(JPEG), len(image)]


async def test_with_the_store_away_an_unknown_detector_cannot_be_judged(door: Door) -> None:
    await door.platform.store.__aexit__(None, None, None)
    assert (await door.ask(JPEG)).status_code == 503


async def test_with_the_bus_away_nothing_is_accepted(door: Door) -> None:
    await door.platform.bus.__aexit__(None, None, None)
    response = await door.ask(JPEG)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize("change", [{"enabled": False}, {"removed_at": datetime(2026, 11, 20, tzinfo=UTC)}], ids=str)
@pytest.mark.parametrize("by", ["id", "name"])
async def test_a_repeat_gives_its_id_though_its_detector_takes_no_more(
    tmp_path: Path, change: dict[str, object], by: str
) -> None:
    async with open_door(tmp_path) as first:
        parameters = {"detector": getattr(first.detector, by)}
        query_id = (await first.ask(JPEG, headers=KEY, **parameters)).json()["id"]
        changed = first.detector.model_copy(update={"revision": first.detector.revision + 1, **change})
        await first.platform.store.detectors.replace(changed)
    async with open_door(tmp_path, detector=changed) as second:
        repeated = await second.ask(JPEG, headers=KEY, **parameters)
        assert (repeated.status_code, repeated.json().get("id")) == (202, query_id)
        for answer in (
            await second.ask(make_jpeg(1), headers=KEY, **parameters),
            await second.ask(JPEG, **parameters),
        ):
            assert answer.json()["code"] in {"detector_off", "detector_gone", "detector_not_found"}
