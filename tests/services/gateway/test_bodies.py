"""JSON doors: whatever is sent, the answer is a problem that does not repeat it, never a crash."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.gateways import Door, expect_problem, ids_of

JSON = {"Content-Type": "application/json"}

DOORS = [
    ("POST", "/v1/detectors"),
    ("PATCH", "/v1/detectors/door"),
    ("PATCH", "/v1/models/door"),
    ("POST", "/v1/tokens"),
    ("POST", "/v1/queries/iq_000000000000000000000000000/labels"),
]

BODIES = {
    "empty": b"",
    "cut short": b'{"name": "CANARY',
    "not JSON": b"CANARY",
    "null": b"null",
    "a list": b'["CANARY"]',
    "a number": b"17",
    "a lone surrogate": b'{"name": "CANARY\\ud800", "query": "\\udfff", "label": "\\ud800", "description": "\\ud800"}',
    "a lone surrogate as a name": b'{"\\ud800CANARY": 1}',
    "NaN": b'{"name": NaN, "query": NaN, "label": NaN, "patience_s": NaN}',
    "infinity": b'{"name": 1e999, "query": "b", "label": "YES", "patience_s": 1e999, "confidence": 1e999}',
    "invalid UTF-8": b'{"name": "CANARY\xff\xfe"}',
    "UTF-16": '{"name": 1}'.encode("utf-16"),
    "deep nesting": b'{"name":' + b"[" * 30_000,
    "a huge number": b'{"name": ' + b"9" * 10_000 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"name": 1}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_a_body_that_cannot_be_is_a_problem(door: Door, method: str, path: str, body: bytes) -> None:
    response = await door.http.request(method, path, content=body, headers=JSON)
    assert response.status_code in {400, 404, 422}, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert "CANARY" not in response.text
    assert ids_of(await door.http.get("/v1/detectors")) == []


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded", "image/jpeg"])
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_a_body_must_say_that_it_is_json(door: Door, method: str, path: str, content_type: str) -> None:
    response = await door.http.request(method, path, content=b"{}", headers={"Content-Type": content_type})
    expect_problem(response, "media_type")


@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_a_body_over_the_limit_is_refused_with_and_without_its_length(door: Door, method: str, path: str) -> None:
    body = json.dumps({"name": "x" * 100_000}).encode()

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    expect_problem(await door.http.request(method, path, content=body, headers=JSON), "body_too_large")
    expect_problem(await door.http.request(method, path, content=in_pieces(), headers=JSON), "body_too_large")


@pytest.mark.parametrize(
    "metadata",
    [
        '"\\ud800"',
        '{"\\udc00": 1}',
        "NaN",
        "[1e999]",
        '"' + "x" * 4096 + '"',
        "[" * 40 + "]" * 40,
        '{"a":' * 500 + "1" + "}" * 500,
    ],
)
async def test_metadata_that_cannot_be_kept_is_refused(door: Door, metadata: str) -> None:
    body = f'{{"name": "door", "query": "?", "metadata": {metadata}}}'
    expect_problem(await door.http.post("/v1/detectors", content=body, headers=JSON), "metadata_invalid")
    assert ids_of(await door.http.get("/v1/detectors")) == []
    await door.detector("door")
    changed = await door.http.patch("/v1/detectors/door", content=f'{{"metadata": {metadata}}}', headers=JSON)
    expect_problem(changed, "metadata_invalid")


async def test_the_model_of_a_detector_may_not_be_half_a_character(door: Door) -> None:
    body = b'{"name": "door", "query": "?", "model": "\\ud800"}'
    expect_problem(await door.http.post("/v1/detectors", content=body, headers=JSON), "invalid_parameter")


async def test_who_labelled_may_not_be_half_a_character(door: Door) -> None:
    query_id = await door.ask((await door.detector())["id"])
    body = b'{"label": "YES", "labelled_by": "\\ud800"}'
    response = await door.http.post(f"/v1/queries/{query_id}/labels", content=body, headers=JSON)
    expect_problem(response, "invalid_parameter")
