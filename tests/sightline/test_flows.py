"""The decisions of the client, driven step by step: nothing is sent."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.http.queries import Query
from sightline import queries
from sightline.calls import Call, Reply
from sightline.errors import NotFound, NotSightline, QueryEnded, Unavailable, UnknownOutcome, WaitTimeout
from sightline.flows import Flow, NotSent, Pause, Send, Unfinished, ask, ask_async, once, read, wait

QUERY_ID = "iq_" + "0" * 27
ANSWER = {"id": "ans_1", "source": "model", "label": "YES", "confidence": 0.8, "answered_at": "2026-01-01T00:00:00Z"}


def query(**fields: Any) -> Query:
    now = datetime.now(UTC)
    values = {"id": QUERY_ID, "state": "submitted", "revision": 1, "created_at": now, "updated_at": now} | fields
    return Query.model_validate(values)


def reply(resource: Query, status: int = 200) -> Reply:
    return Reply(status, {}, resource.model_dump_json().encode())


def problem(status: int, code: str, **headers: str) -> Reply:
    body = {"type": "about:blank", "title": "No", "status": status, "code": code, "detail": "said why"}
    return Reply(status, headers, json.dumps(body).encode())


def drive(flow: Flow[Any], *happenings: Reply | Exception) -> tuple[Any, list[Call[Any]]]:
    """Run a flow against what happens to each call; return its result (or error) and the calls."""
    calls: list[Call[Any]] = []
    left = list(happenings)
    try:
        step = next(flow)
        while True:
            if isinstance(step, Pause):
                step = flow.send(None)
                continue
            assert isinstance(step, Send)
            calls.append(step.call)
            happening = left.pop(0)
            step = flow.throw(happening) if isinstance(happening, Exception) else flow.send(happening)
    except StopIteration as stop:
        assert not left
        return stop.value, calls
    except Exception as error:  # noqa: BLE001 - returned to the test
        return error, calls


def test_a_submit_is_repeated_with_the_same_key_until_it_is_taken() -> None:
    flow = ask_async("door", b"image", {}, 30.0)
    result, calls = drive(flow, NotSent("away"), Unfinished("cut"), problem(503, "unavailable"), reply(query(), 202))
    assert result.id == QUERY_ID
    assert len(calls) == 4
    assert len({call.headers["Idempotency-Key"] for call in calls}) == 1


def test_two_submits_have_different_keys() -> None:
    keys = {drive(ask_async("door", b"", {}, 1.0), reply(query()))[1][0].headers["Idempotency-Key"] for _ in range(2)}
    assert len(keys) == 2


def test_a_submit_that_may_have_been_taken_says_so_and_holds_its_key() -> None:
    error, _ = drive(ask_async("door", b"image", {"idempotency_key": "mine"}, 0.0), Unfinished("cut"))
    assert isinstance(error, UnknownOutcome)
    assert error.idempotency_key == "mine"
    assert "mine" in str(error)


def test_a_submit_that_never_left_is_only_unavailable() -> None:
    error, _ = drive(ask_async("door", b"image", {}, 0.0), NotSent("refused"))
    assert isinstance(error, Unavailable)
    assert not isinstance(error, UnknownOutcome)


def test_an_internal_error_on_a_submit_is_an_unknown_outcome() -> None:
    error, _ = drive(ask_async("door", b"image", {}, 0.0), problem(500, "internal"))
    assert isinstance(error, UnknownOutcome)


def test_a_refused_submit_is_not_repeated() -> None:
    error, calls = drive(ask_async("door", b"image", {}, 30.0), problem(404, "detector_not_found"))
    assert isinstance(error, NotFound)
    assert (error.code, error.detail, error.status) == ("detector_not_found", "said why", 404)
    assert len(calls) == 1


def test_a_read_is_tried_three_times() -> None:
    error, calls = drive(read(queries.get(QUERY_ID), 30.0), *[problem(503, "unavailable")] * 3)
    assert isinstance(error, Unavailable)
    assert len(calls) == 3


def test_a_change_without_a_key_is_never_repeated() -> None:
    error, calls = drive(once(queries.cancel(QUERY_ID), 30.0), Unfinished("cut"))
    assert isinstance(error, UnknownOutcome)
    assert error.idempotency_key is None
    assert len(calls) == 1


def test_an_answer_within_the_post_needs_no_second_call() -> None:
    flow = ask("door", b"image", {}, 30.0, wait_s=5.0, wait_for="answer")
    result, calls = drive(flow, reply(query(state="answered", label="YES", answer=ANSWER)))
    assert result.label == "YES"
    assert calls[0].headers["Prefer"] == "wait=5"


def test_a_wait_goes_on_until_the_answer_is_there() -> None:
    flow = wait(QUERY_ID, 30.0, wait_s=60.0, wait_for="answer")
    result, calls = drive(flow, reply(query()), reply(query(state="answered", answer=ANSWER)))
    assert result.answer is not None
    assert all(call.headers["Prefer"] == "wait=25" for call in calls)


def test_a_confident_wait_is_not_satisfied_by_just_any_answer() -> None:
    unsure, sure = query(state="answered", answer=ANSWER), query(state="answered", answer=ANSWER, confident=True)
    result, calls = drive(wait(QUERY_ID, 30.0, wait_s=60.0, wait_for="confident"), reply(unsure), reply(sure))
    assert result.confident
    assert ("wait_for", "confident") in calls[0].params


def test_a_wait_that_is_over_holds_the_query() -> None:
    error, _ = drive(wait(QUERY_ID, 30.0, wait_s=0.0, wait_for="answer"), reply(query()))
    assert isinstance(error, WaitTimeout)
    assert isinstance(error, TimeoutError)
    assert error.query.id == QUERY_ID


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
def test_a_wait_for_what_will_not_come_ends_at_once(state: str) -> None:
    error, _ = drive(wait(QUERY_ID, 30.0, wait_s=60.0, wait_for="confident"), reply(query(state=state)))
    assert isinstance(error, QueryEnded)
    assert error.query.state == state


def test_a_label_on_a_failed_query_ends_the_wait() -> None:
    labelled = query(state="failed", answer=ANSWER | {"source": "person"}, confident=True)
    result, _ = drive(wait(QUERY_ID, 30.0, wait_s=60.0, wait_for="confident"), reply(labelled))
    assert result.state == "failed"


def test_a_wait_survives_a_restart_of_the_platform() -> None:
    away = [NotSent("refused")] * 3
    answered = reply(query(state="answered", answer=ANSWER))
    for before in ([reply(query()), *away], [Unfinished("cut while it waited"), *away[1:]]):
        result, _ = drive(wait(QUERY_ID, 30.0, wait_s=60.0, wait_for="answer"), *before, answered)
        assert result.answer is not None


def test_a_wait_on_a_platform_that_never_answered_fails_soon() -> None:
    error, calls = drive(wait(QUERY_ID, 30.0, wait_s=60.0, wait_for="answer"), *[NotSent("refused")] * 3)
    assert isinstance(error, Unavailable)
    assert len(calls) == 3


@pytest.mark.parametrize(
    "strange",
    [
        Reply(404, {"content-type": "text/html"}, b"<h1>Not found</h1>"),
        Reply(200, {}, b"hello"),
        Reply(301, {"location": "https://elsewhere"}, b""),
        Reply(200, {}, b'{"id": 1}'),
    ],
)
def test_another_server_is_told_from_the_platform(strange: Reply) -> None:
    error, _ = drive(read(queries.get(QUERY_ID), 30.0), strange)
    assert isinstance(error, NotSightline)
