"""What all doors share: problems for every error, limits for every body, truthful health."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from contracts.http.problems import PROBLEMS
from services.kit.errors import Conflict, NotFound, PlatformError, Refused, Unavailable
from services.kit.http import Admin, PlatformDep, problems
from services.kit.parameters import read
from services.kit.platform import Platform
from services.kit.prefer import Waiting
from services.kit.runtime import running
from services.kit.settings import load

ROUTER = APIRouter()


class Body(BaseModel):
    number: int


@ROUTER.get("/raise/{what}")
async def raise_error(what: str) -> None:
    raise {
        "refused": Refused("key_reused", "another body"),
        "unavailable": Unavailable("the bus is full", after_s=7),
        "missing": NotFound("no such thing"),
        "conflict": Conflict("somebody was faster"),
        "other": PlatformError("odd"),
        "crash": RuntimeError("secret words"),
    }[what]


@ROUTER.post("/body")
async def take_body(body: Body) -> int:
    return body.number


@ROUTER.get("/wait")
async def take_wait(request: Request) -> float:
    return read(Waiting, request.query_params).seconds(request)


@ROUTER.get("/admin", responses=problems("not_authenticated", "not_allowed"))
async def take_admin(caller: Admin, platform: PlatformDep, number: Annotated[int, Query(ge=1)] = 1) -> str:
    return f"{caller.tenant} {platform.settings.max_wait_s:g} {number}"


class Echo:
    """A service of routes only."""

    name = "echo"
    routers = (ROUTER,)

    async def start(self, stack: AsyncExitStack) -> None:
        """Nothing to start."""


class Broken:
    """A service whose health says no."""

    name = "broken"
    routers: tuple[APIRouter, ...] = ()

    def __init__(self, platform: Platform) -> None:
        platform.health.add("broken part", self._check)

    async def start(self, stack: AsyncExitStack) -> None:
        """Nothing to start."""

    async def _check(self) -> None:
        raise Unavailable("it is broken")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(load({}, data=tmp_path, bus="memory://"), [lambda _: Echo()]) as app:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as opened:
            yield opened


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("refused", 422, "key_reused"),
        ("unavailable", 503, "unavailable"),
        ("missing", 404, "not_found"),
        ("conflict", 409, "edited_meanwhile"),
        ("other", 500, "internal"),
        ("crash", 500, "internal"),
    ],
)
async def test_every_error_is_a_problem(client: httpx2.AsyncClient, what: str, status: int, code: str) -> None:
    answer = await client.get(f"/raise/{what}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["title"]) == (status, code, PROBLEMS[code].title)
    assert "secret words" not in answer.text
    assert (answer.headers.get("retry-after") == "7") is (what == "unavailable")


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/nowhere", "not_found"), ("PUT", "/body", "method_not_allowed")]
)
async def test_the_frameworks_own_errors_are_problems_too(
    client: httpx2.AsyncClient, method: str, path: str, code: str
) -> None:
    answer = await client.request(method, path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    "body",
    [
        b'{"number": "\\ud800"}',
        b'{"number": NaN}',
        b'{"number": 1e999}',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"number": ' + b"9" * 6000 + b"}",
        b'{"number": "top secret"}',
        b"",
    ],
)
async def test_bad_json_is_a_problem_that_echoes_nothing(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/body", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "top secret" not in answer.text
    assert len(answer.content) < 1000


async def test_a_body_over_the_limit_is_refused_with_and_without_its_length(client: httpx2.AsyncClient) -> None:
    large = json.dumps({"number": 1, "padding": "x" * 70_000}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 1000):
            yield large[start : start + 1000]

    for content in (large, chunks()):
        answer = await client.post("/body", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["code"] == "body_too_large"


@pytest.mark.parametrize("length", ["abc", "-1", "1e9"])
async def test_a_wrong_length_is_refused(client: httpx2.AsyncClient, length: str) -> None:
    answer = await client.post("/body", content=b"{}", headers={"content-length": length})
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "abc", "61", "1e9"])
async def test_a_wait_that_cannot_be_is_refused(client: httpx2.AsyncClient, wait: str) -> None:
    answer = await client.get("/wait", params={"wait": wait})
    assert answer.status_code == 422
    assert "wait" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("prefer", "waits"),
    [
        ("wait=10", 10),
        ("respond-async, wait=7", 7),
        ("wait=999999", 60),
        ("wait=-5", 0),
        ("handling=lenient", 0),
        ("", 0),
    ],
)
async def test_a_preferred_wait_is_met_as_far_as_it_goes(client: httpx2.AsyncClient, prefer: str, waits: float) -> None:
    answer = await client.get("/wait", headers={"prefer": prefer})
    assert answer.json() == waits


async def test_a_parameter_wins_over_a_preference(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/wait", params={"wait": "3"}, headers={"prefer": "wait=9"})).json() == 3


async def test_scopes_guard_routes(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/admin", params={"number": 2})).json() == "default 60 2"
    refused = await client.get("/admin", headers={"authorization": "Bearer nonsense"})
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")


async def test_health_and_metrics_tell_the_truth(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": {}})
    await client.get("/raise/missing")
    text = (await client.get("/metrics")).text
    assert 'sightline_http_requests_total{method="GET",route="/raise/{what}",status="404"} 1.0' in text


async def test_not_ready_says_which_part_and_why(tmp_path: Path) -> None:
    async with (
        running(load({}, data=tmp_path, bus="memory://"), [Broken]) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client,
    ):
        ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["problems"] == {"broken part": "it is broken"}
