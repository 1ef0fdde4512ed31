"""Cancel, label, erase: the answer is what the fold made of the fact."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.ids import IMAGE_QUERY, new_id
from contracts.topics import FACTS
from services.kit.settings import load
from services.kit.store.port import Swap
from services.kit.store.sqlite import SqliteStore
from tests.support.counting_store import CountingStore
from tests.support.documents import make_document
from tests.support.gateways import TENANT, Door, expect_problem, gateway_on, make_question

DETECTOR = "det_" + "0" * 27


async def test_cancel_ends_a_pending_query_once(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    for _ in range(2):
        response = await door.http.post(f"/v1/queries/{query_id}/cancel")
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    history = (await door.http.get(f"/v1/queries/{query_id}")).json()["history"]
    assert [step["state"] for step in history] == ["submitted", "cancelled"]


async def test_cancel_comes_too_late_for_an_answered_query(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    await door.answer(query_id)
    assert (await door.http.get(f"/v1/queries/{query_id}?wait=20")).json()["state"] == "answered"
    detail = expect_problem(await door.http.post(f"/v1/queries/{query_id}/cancel"), "query_ended")
    assert "answered" in detail


async def test_of_cancel_and_answer_at_once_exactly_one_ends_the_query(door: Door) -> None:
    for _ in range(10):
        query_id = await door.ask(DETECTOR)
        response, _ = await asyncio.gather(door.http.post(f"/v1/queries/{query_id}/cancel"), door.answer(query_id))
        query = (await door.http.get(f"/v1/queries/{query_id}?wait=20")).json()
        assert query["state"] == ("cancelled" if response.status_code == 200 else "answered")
        assert response.status_code in {200, 409}
        assert len([step for step in query["history"] if step["state"] != "submitted"]) == 1


async def test_cancel_of_a_claimed_query_holds_when_it_is_stored_later(door: Door) -> None:
    claim = await door.claim(DETECTOR)
    response = await door.http.post(f"/v1/queries/{claim.id}/cancel")
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    await door.publish(make_question(DETECTOR, at=door.platform.clock.now(), query_id=claim.id))
    await door.answer(claim.id)
    assert (await door.http.get(f"/v1/queries/{claim.id}?wait=20")).json()["state"] == "cancelled"


async def test_a_label_becomes_the_answer_in_the_detectors_spelling(door: Door) -> None:
    query_id = await door.ask((await door.detector())["id"])
    response = await door.http.post(f"/v1/queries/{query_id}/labels", json={"label": "yes", "labelled_by": "kim"})
    query = response.json()
    assert (response.status_code, query["label"], query["confident"]) == (201, "YES", True)
    assert (query["answer"]["source"], query["answer"]["answered_by"]) == ("person", "kim")
    assert query["state"] == "submitted"


async def test_a_label_outranks_the_model_and_a_later_label_the_earlier(door: Door) -> None:
    query_id = await door.ask((await door.detector())["id"])
    await door.answer(query_id, "YES", 0.99)
    for label in ("NO", "unclear", "YES"):
        response = await door.http.post(f"/v1/queries/{query_id}/labels", json={"label": label})
        assert (response.status_code, response.json()["label"]) == (201, label.upper())
    query = (await door.http.get(f"/v1/queries/{query_id}")).json()
    assert (len(query["answers"]), query["state"], query["label"]) == (4, "answered", "YES")


async def test_labels_at_once_are_all_kept(door: Door) -> None:
    query_id = await door.ask((await door.detector())["id"])
    requests = [door.http.post(f"/v1/queries/{query_id}/labels", json={"label": "YES"}) for _ in range(20)]
    assert [response.status_code for response in await asyncio.gather(*requests)] == [201] * 20
    assert len((await door.http.get(f"/v1/queries/{query_id}")).json()["answers"]) == 20


async def test_a_claimed_query_can_be_labelled(door: Door) -> None:
    claim = await door.claim((await door.detector())["id"])
    response = await door.http.post(f"/v1/queries/{claim.id}/labels", json={"label": "NO"})
    assert (response.status_code, response.json()["label"]) == (201, "NO")


async def test_a_label_that_the_detector_does_not_have_is_refused_with_those_it_has(door: Door) -> None:
    detector = await door.detector("crates", mode="multiclass", labels=["apple", "Pear"])
    query_id = await door.ask(detector["id"])
    for label in ("YES", "appl", "apple "):
        detail = expect_problem(
            await door.http.post(f"/v1/queries/{query_id}/labels", json={"label": label}), "label_invalid"
        )
        assert detail == "the labels are: apple, Pear, UNCLEAR"
    assert (await door.http.get(f"/v1/queries/{query_id}")).json()["answers"] == []
    pear = await door.http.post(f"/v1/queries/{query_id}/labels", json={"label": "PEAR"})
    assert pear.json()["label"] == "Pear"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"label": ""},
        {"label": None},
        {"label": 1},
        {"label": "x" * 201},
        {"label": "YES", "confidence": 7},
        {"label": "YES", "confidence": -0.1},
        {"label": "YES", "labelled_by": "x" * 2001},
        {"label": "YES", "extra": 1},
        [],
        "YES",
    ],
)
async def test_a_label_of_a_wrong_shape_is_refused(door: Door, body: object) -> None:
    query_id = await door.ask((await door.detector())["id"])
    expect_problem(await door.http.post(f"/v1/queries/{query_id}/labels", json=body), "invalid_parameter")


async def test_a_label_waits_for_a_question_that_is_not_known_yet(door: Door) -> None:
    query_id = new_id(IMAGE_QUERY, door.platform.clock.now())
    await door.answer(query_id)
    response = await door.http.post(f"/v1/queries/{query_id}/labels", json={"label": "YES"})
    expect_problem(response, "unavailable")
    assert response.headers["retry-after"] == "1"


async def test_erase_removes_record_and_image_for_good(door: Door) -> None:
    query_id = await door.ask(DETECTOR, metadata_json='"secret"')
    sha256 = (await door.http.get(f"/v1/queries/{query_id}")).json()["image"]["sha256"]
    assert (await door.http.delete(f"/v1/queries/{query_id}")).status_code == 204
    assert await door.platform.store.images.get(TENANT, sha256) is None
    for request in ("GET", "DELETE"):
        expect_problem(await door.http.request(request, f"/v1/queries/{query_id}"), "query_erased")
    for action in ("cancel", "labels"):
        response = await door.http.post(f"/v1/queries/{query_id}/{action}", json={"label": "YES"})
        expect_problem(response, "query_erased")
    assert (await door.http.get("/v1/queries")).json()["items"] == []
    await door.answer(query_id)
    expect_problem(await door.http.get(f"/v1/queries/{query_id}?wait=0.2"), "query_erased")


async def test_a_claimed_query_can_be_erased(door: Door) -> None:
    claim = await door.claim(DETECTOR)
    assert (await door.http.delete(f"/v1/queries/{claim.id}")).status_code == 204
    await door.publish(make_question(DETECTOR, at=door.platform.clock.now(), query_id=claim.id))
    expect_problem(await door.http.get(f"/v1/queries/{claim.id}"), "query_erased")


@pytest.mark.parametrize(("method", "action"), [("POST", "/cancel"), ("POST", "/labels"), ("DELETE", "")])
@pytest.mark.parametrize("query_id", ["iq_" + "0" * 27, "nonsense", "a" * 10_000])
async def test_nothing_can_be_added_to_an_unknown_query(door: Door, method: str, action: str, query_id: str) -> None:
    response = await door.http.request(method, f"/v1/queries/{query_id}{action}", json={"label": "YES"})
    expect_problem(response, "query_not_found")


@pytest.fixture
async def unfolded_and_store(tmp_path: Path) -> AsyncIterator[tuple[Door, CountingStore]]:
    """A gateway whose facts nobody folds, and its store."""
    async with SqliteStore(tmp_path / "store.sqlite") as inner:
        store = CountingStore(inner)
        async with gateway_on(store, load({}, data=tmp_path)) as door:
            yield door, store


async def test_what_is_not_folded_in_time_is_accepted_and_kept_at_a_few_reads(
    unfolded_and_store: tuple[Door, CountingStore],
) -> None:
    unfolded, store = unfolded_and_store
    document = make_document(tenant=TENANT, detector_id=(await unfolded.detector())["id"])
    await unfolded.platform.store.queries.swap([Swap(document, 0)])
    before = (await unfolded.platform.bus.depth(FACTS)).ready
    cancel, label, erase = await asyncio.gather(
        unfolded.http.post(f"/v1/queries/{document.id}/cancel"),
        unfolded.http.post(f"/v1/queries/{document.id}/labels", json={"label": "YES"}),
        unfolded.http.delete(f"/v1/queries/{document.id}"),
    )
    assert [response.status_code for response in (cancel, label, erase)] == [202, 202, 202]
    assert cancel.json()["state"] == label.json()["state"] == "submitted"
    assert (await unfolded.platform.bus.depth(FACTS)).ready == before + 3
    assert store.queries.reads[document.id] < 40  # the shared re-check reads once a second, while one key waits
    assert (await unfolded.platform.store.queries.load([document.key]))[document.key] == document
