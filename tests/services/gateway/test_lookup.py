"""GET /v1/queries/{id}: the chain from document to claim to patience, waiting, conditional requests."""

import asyncio
from datetime import timedelta

import pytest

from contracts.http.queries import UNCLEAR
from contracts.ids import IMAGE_QUERY, new_id
from tests.support.gateways import IMAGE, Door, expect_problem, make_question

DETECTOR = "det_" + "0" * 27


async def test_an_answered_query_is_shown_whole(door: Door) -> None:
    query_id = await door.ask(DETECTOR, metadata_json='{"camera": [1, 2.5, "\u00e9"]}')
    await door.answer(query_id, "YES", 0.95)
    response = await door.http.get(f"/v1/queries/{query_id}?wait=20")
    query = response.json()
    assert response.status_code == 200
    assert (query["id"], query["state"], query["label"], query["confidence"]) == (query_id, "answered", "YES", 0.95)
    assert query["confident"] is True
    assert query["answer"]["model"] == {"name": "door", "digest": "d" * 64}
    assert query["metadata"] == {"camera": [1, 2.5, "é"]}
    assert query["image"]["size_bytes"] == len(IMAGE)
    assert [step["state"] for step in query["history"]] == ["submitted", "answered"]
    assert response.headers["cache-control"] == "private, no-cache"
    assert "retry-after" not in response.headers


async def test_a_pending_query_is_unclear_without_confidence_and_says_when_to_ask_again(door: Door) -> None:
    response = await door.http.get(f"/v1/queries/{await door.ask(DETECTOR)}")
    query = response.json()
    assert (query["state"], query["label"], query["confidence"], query["answer"]) == ("submitted", UNCLEAR, None, None)
    assert response.headers["retry-after"] == "1"


async def test_a_claimed_query_is_pending_before_it_is_stored(door: Door) -> None:
    claim = await door.claim(DETECTOR, minted_at=door.platform.clock.now() - timedelta(hours=1))
    response = await door.http.get(f"/v1/queries/{claim.id}")
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["detector_id"]) == ("submitted", DETECTOR)


async def test_a_wait_for_a_query_that_is_only_claimed_ends_with_its_answer(door: Door) -> None:
    claim = await door.claim(DETECTOR)
    waiting = asyncio.create_task(door.http.get(f"/v1/queries/{claim.id}?wait=30"))
    await door.waiters(1)
    await door.publish(make_question(DETECTOR, at=door.platform.clock.now(), query_id=claim.id))
    await door.answer(claim.id)
    assert (await waiting).json()["label"] == "YES"


async def test_a_query_minted_just_now_is_waited_for_although_nobody_claimed_it(door: Door) -> None:
    query_id = new_id(IMAGE_QUERY, door.platform.clock.now())
    looking = asyncio.create_task(door.http.get(f"/v1/queries/{query_id}"))
    await door.waiters(1)
    await door.publish(make_question(DETECTOR, at=door.platform.clock.now(), query_id=query_id))
    response = await looking
    assert (response.status_code, response.json()["state"]) == (200, "submitted")


async def test_an_unclaimed_query_that_appears_is_then_waited_for_as_long_as_asked(door: Door) -> None:
    query_id = new_id(IMAGE_QUERY, door.platform.clock.now())
    looking = asyncio.create_task(door.http.get(f"/v1/queries/{query_id}?wait=30"))
    await door.waiters(1)
    await door.publish(make_question(DETECTOR, at=door.platform.clock.now(), query_id=query_id))
    await door.http.get(f"/v1/queries/{query_id}")
    assert not looking.done()
    await door.answer(query_id)
    assert (await looking).json()["label"] == "YES"


async def test_a_query_minted_just_now_that_never_appears_is_not_found(door: Door) -> None:
    query_id = new_id(IMAGE_QUERY, door.platform.clock.now())
    async with asyncio.timeout(15):
        expect_problem(await door.http.get(f"/v1/queries/{query_id}?wait=60"), "query_not_found")


@pytest.mark.parametrize("age", [timedelta(days=1), timedelta(days=-1)])
async def test_an_unknown_id_of_another_time_is_not_waited_for(door: Door, age: timedelta) -> None:
    query_id = new_id(IMAGE_QUERY, door.platform.clock.now() - age)
    async with asyncio.timeout(15):
        expect_problem(await door.http.get(f"/v1/queries/{query_id}?wait=60"), "query_not_found")


@pytest.mark.parametrize(
    "query_id",
    [
        "x",
        "iq_",
        "iq_" + "!" * 27,
        "iq_" + "z" * 27,
        "IQ_" + "0" * 27,
        "iq_" + "0" * 27 + "%0a",
        "%00",
        "iq_%00",
        "..%2f..",
        "%ff%fe",
        "%F0%9F%92%A9",
        "{$ne:null}",
        "a" * 10_000,
    ],
)
@pytest.mark.parametrize("what", ["", "/image"])
async def test_a_malformed_id_is_not_found(door: Door, query_id: str, what: str) -> None:
    response = await door.http.get(f"/v1/queries/{query_id}{what}")
    assert response.status_code == 404
    assert response.json()["code"] in {"query_not_found", "not_found"}
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_dotted_path_reaches_no_query(door: Door) -> None:
    assert (await door.http.get("/v1/queries/%2e%2e")).status_code == 404
    assert (await door.http.get("/v1/queries/../queries/x")).status_code == 404


async def test_a_wait_ends_with_the_first_answer(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    waiting = asyncio.create_task(door.http.get(f"/v1/queries/{query_id}", headers={"Prefer": "wait=30"}))
    await door.waiters(1)
    await door.answer(query_id, "NO", 0.3)
    response = await waiting
    assert (response.json()["label"], response.json()["confident"]) == ("NO", False)
    assert response.headers["preference-applied"] == "wait=30"


async def test_a_wait_for_a_confident_answer_goes_on_until_a_person_labels(door: Door) -> None:
    query_id = await door.ask((await door.detector())["id"])
    waiting = asyncio.create_task(door.http.get(f"/v1/queries/{query_id}?wait=30&wait_for=confident"))
    await door.waiters(1)
    await door.answer(query_id, "NO", 0.3)
    assert (await door.http.get(f"/v1/queries/{query_id}?wait=30")).json()["label"] == "NO"
    assert not waiting.done()
    labelled = await door.http.post(f"/v1/queries/{query_id}/labels", json={"label": "YES"})
    assert labelled.status_code == 201
    query = (await waiting).json()
    assert (query["label"], query["confident"], query["answer"]["source"]) == ("YES", True, "person")
    assert query["state"] == "answered"


async def test_a_wait_that_runs_out_answers_with_the_pending_query(door: Door) -> None:
    response = await door.http.get(f"/v1/queries/{await door.ask(DETECTOR)}?wait=0.05")
    assert (response.status_code, response.json()["state"]) == (200, "submitted")


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "1e9", "61", "abc", ""])
async def test_a_wait_that_cannot_be_is_refused(door: Door, wait: str) -> None:
    query_id = await door.ask(DETECTOR)
    detail = expect_problem(await door.http.get(f"/v1/queries/{query_id}", params={"wait": wait}), "invalid_parameter")
    assert "wait" in detail


async def test_wait_for_takes_only_its_two_words(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    expect_problem(await door.http.get(f"/v1/queries/{query_id}?wait_for=ever"), "invalid_parameter")


async def test_an_unchanged_revision_answers_304_until_it_changes(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    etag = (await door.http.get(f"/v1/queries/{query_id}")).headers["etag"]
    for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        same = await door.http.get(f"/v1/queries/{query_id}", headers={"If-None-Match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert (
        await door.http.get(f"/v1/queries/{query_id}?wait=0.05", headers={"If-None-Match": etag})
    ).status_code == 304
    await door.answer(query_id)
    changed = await door.http.get(f"/v1/queries/{query_id}?wait=30", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["label"]) == (200, "YES")
    assert changed.headers["etag"] != etag


async def test_a_conditional_request_still_waits(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    etag = (await door.http.get(f"/v1/queries/{query_id}")).headers["etag"]
    request = door.http.get(f"/v1/queries/{query_id}?wait=30", headers={"If-None-Match": etag})
    waiting = asyncio.create_task(request)
    await door.waiters(1)
    await door.answer(query_id)
    assert (await waiting).json()["label"] == "YES"


async def test_an_erased_query_is_gone_for_lookups_and_for_those_who_wait(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    waiting = asyncio.create_task(door.http.get(f"/v1/queries/{query_id}?wait=30&wait_for=confident"))
    await door.waiters(1)
    assert (await door.http.delete(f"/v1/queries/{query_id}")).status_code == 204
    expect_problem(await door.http.get(f"/v1/queries/{query_id}"), "query_erased")
    expect_problem(await waiting, "query_erased")


async def test_a_client_that_leaves_gives_its_place_back(door: Door) -> None:
    query_id = await door.ask(DETECTOR)
    gone = asyncio.Event()

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        return None

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/v1/queries/{query_id}",
        "raw_path": b"",
        "query_string": b"wait=60",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
    }
    request = asyncio.create_task(door.app(scope, receive, send))
    await door.waiters(1)
    gone.set()
    await door.waiters(0)
    await request
