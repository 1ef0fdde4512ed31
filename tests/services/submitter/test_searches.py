"""What a search is refused for: always with a status that the AuroraX client understands, and nothing stored."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from contracts.topics import FACTS, SEARCH_PLANS
from services.gateway.service import create as create_gateway
from services.kit.errors import Unavailable
from services.kit.store.port import Swap
from services.submitter.service import create as create_submitter
from tests.support.documents import NOW, make_document
from tests.support.searching import TENANT, Searching, conjunction_query, searching
from tests.support.submitting import rows_in

_SPACE = {"programs": ["swarm"]}
_GROUND = {"programs": ["themis-asi"]}


def _filtered(key: str, operator: str, *values: object) -> dict[str, Any]:
    expression = {"key": key, "operator": operator, "values": list(values)}
    return {"ground": [_GROUND | {"ephemeris_metadata_filters": {"expressions": [expression]}}]}


_APA = "calgary_apa_ml_v1_confidence"
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "one block": ({"ground": []}, "2 to 10 blocks"),
    "eleven blocks": ({"space": [_SPACE] * 10, "max_distances": {}}, "2 to 10 blocks"),
    "end before start": ({"end": "2019-12-31T00:00:00"}, "end must not lie before start"),
    "year 9999": ({"end": "9999-12-31T23:59:59"}, "years 1950 to 2099"),
    "no time": ({"start": "yesterday"}, "a time like"),
    "unknown source": ({"ground": [{"programs": ["nowhere"]}]}, "ground1: no data source"),
    "unknown filter key": (_filtered("nothing", "=", "1"), "ground1: no metadata of these data sources has the key"),
    "unknown operator": (_filtered(_APA, "~", "1"), "operator"),
    "between with one value": (_filtered(_APA, "between", "1"), "between takes 2 values"),
    "negative distance": ({"max_distances": {"ground1-space1": -1}}, "max_distances"),
    "distance of no pair": ({"max_distances": {"ground1-space9": 1}}, "is not a pair"),
    "latitude 91": ({"adhoc": [{"locations": [{"lat": 91, "lon": 0}]}]}, "adhoc.0.locations.0.lat"),
    "unknown type": ({"conjunction_types": ["moon"]}, "conjunction_types"),
    "unknown hemisphere": ({"space": [_SPACE | {"hemisphere": ["eastern"]}]}, "hemisphere"),
}
BODIES: dict[str, tuple[bytes, str]] = {
    "NaN": (b'{"max_distances": {"ground1-space1": NaN}}', "cannot be read"),
    "a number beyond all": (b'{"anything": 1e999}', "cannot be read"),
    "lone surrogate": (b'{"start": "\\ud800"}', "cannot be read"),
    "deep nesting": (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper"),
    "endless nesting": (b"[" * 100_000, "cannot be read"),
    "no object": (b"[]", "must be a JSON object"),
    "not UTF-8": (b'{"a": "\xff"}', "cannot be read"),
    "nothing": (b"", "cannot be read"),
    "too large": (b'{"a": "' + b"x" * 300_000 + b'"}', "at most 262144 bytes"),
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Searching]:
    async with searching(tmp_path, factories=(create_submitter, create_gateway)) as running:
        yield running


@pytest.mark.parametrize("name", BAD)
async def test_a_query_that_nobody_can_mean_is_refused_with_the_place(
    house: Searching, tmp_path: Path, name: str
) -> None:
    change, text = BAD[name]
    answer = await house.http.post("/api/v1/conjunctions/search", json=conjunction_query(**change))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert set(answer.json()) == {"error_code", "error_message"}
    assert text in answer.json()["error_message"]
    await _nothing_is_left(house, tmp_path)


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_cannot_be_read_is_refused(house: Searching, tmp_path: Path, name: str) -> None:
    body, text = BODIES[name]
    answer = await house.http.post("/api/v1/conjunctions/search", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert text in answer.json()["error_message"]
    await _nothing_is_left(house, tmp_path)


@pytest.mark.parametrize(
    "path",
    ["/conjunctions/requests/sr_" + "0" * 27, "/conjunctions/requests/x", "/nothing/requests/x", "/nothing", "/"],
)
async def test_what_is_not_there_is_said_in_the_clients_form(house: Searching, path: str) -> None:
    answer = await house.http.get(f"/api/v1{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json()["error_code"] == "NotFound"


async def test_an_id_past_its_retention_says_so(house: Searching) -> None:
    old = "/api/v1/conjunctions/requests/sr_" + "00" + "A" * 25
    message = (await house.http.get(old)).json()["error_message"]
    assert "removed 30 days after they were asked" in message


async def test_the_address_of_the_status_is_the_public_one(tmp_path: Path) -> None:
    services, public = (create_submitter, create_gateway), "https://sky.example.org/aurora/"
    async with searching(tmp_path, services, public_url=public, anonymous_tenant="default") as running:
        answer = await running.http.post("/api/v1/conjunctions/search", json=conjunction_query())
    assert re.fullmatch(
        r"https://sky\.example\.org/aurora/api/v1/conjunctions/requests/sr_\w{27}", answer.headers["location"]
    )


async def test_a_bus_that_is_away_is_a_503_that_the_client_can_read(house: Searching) -> None:
    async def away(messages: Any) -> None:
        raise Unavailable(f"the bus is away: {len(messages)} not sent")

    house.platform.bus.publish = away  # type: ignore[method-assign]
    answer = await house.http.post("/api/v1/conjunctions/search", json=conjunction_query())
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
    assert "the bus is away" in answer.json()["error_message"]


async def test_the_old_and_the_new_forms_of_a_query_are_taken(house: Searching) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"ground": [_GROUND | {"ephemeris_metadata_filters": None}]},
        {"ground": [_GROUND | {"ephemeris_metadata_filters": {}}]},
        {"ground": [_GROUND | {"ephemeris_metadata_filters": [{"key": _APA, "operator": ">=", "values": ["95"]}]}]},
        _filtered(_APA, "between", 75, 90),
        {"max_distances": {"space1-ground1": 500.5}, "epoch_search_precision": 30},
        {"start": "2020-01-01T00:00:00.000Z", "conjunction_types": [], "events": None, "subminute_precision": True},
        {"adhoc": [{}], "space": [_SPACE | {"hemisphere": [], "unknown": 1}]},
    )
    for change in changes:
        answer = await house.http.post("/api/v1/conjunctions/search", json=conjunction_query(**change))
        assert answer.status_code == 202, answer.text


async def _nothing_is_left(house: Searching, folder: Path) -> None:
    assert rows_in(folder / "store.sqlite") == {"queries": 0, "claims": 0, "blobs": 0}
    for queue in (SEARCH_PLANS, FACTS):
        assert (await house.platform.bus.depth(queue)).ready == 0


_KEY = {"Idempotency-Key": "survey-17"}


async def _ask(house: Searching, headers: dict[str, str] = _KEY, **change: Any) -> httpx2.Response:
    return await house.http.post("/api/v1/conjunctions/search", json=conjunction_query(**change), headers=headers)


async def test_one_key_in_parallel_gives_one_search(house: Searching, tmp_path: Path) -> None:
    answers = await asyncio.gather(*(_ask(house) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert rows_in(tmp_path / "store.sqlite")["claims"] == 1
    assert (await _ask(house, {})).headers["location"] != answers[0].headers["location"]


async def test_a_repeat_publishes_again_what_is_known_without_its_question(house: Searching) -> None:
    """One of its two queues was full, so it was refused; the planner had it all the same."""
    plans = await house.platform.bus.subscribe(SEARCH_PLANS)
    first = await _ask(house)
    claim = await house.platform.store.claims.by_key(TENANT, _KEY["Idempotency-Key"])
    assert claim is not None
    document = make_document(claim.id, tenant=TENANT, requested=False).model_copy(update={"kind": "search"})
    await house.platform.store.queries.swap([Swap(document, 0)])
    again = await _ask(house)
    assert (again.status_code, again.headers["location"]) == (202, first.headers["location"])
    async with asyncio.timeout(5):
        taken = [*await plans.receive(2)]
        while len(taken) < 2:
            taken += await plans.receive(2)
    assert taken[0].message.body == taken[1].message.body


async def test_a_key_stands_for_one_query(house: Searching) -> None:
    first = await _ask(house)
    other = await _ask(house, end="2020-01-02T00:00:00")
    assert (other.status_code, other.headers["content-type"]) == (400, "application/json")
    assert "came with another query before" in other.json()["error_message"]
    assert (await _ask(house, {"Idempotency-Key": "a b"})).status_code == 400
    assert (await _ask(house)).headers["location"] == first.headers["location"]


async def test_a_repeat_gets_its_id_though_its_sources_are_gone(house: Searching) -> None:
    first = await _ask(house)
    source = await house.platform.store.sources.get(TENANT, "3")
    assert source is not None
    removed = source.model_copy(update={"removed_at": NOW, "revision": source.revision + 1})
    await house.platform.store.sources.replace(removed)
    assert (await _ask(house)).headers["location"] == first.headers["location"]
    assert (await _ask(house, {})).status_code == 400
