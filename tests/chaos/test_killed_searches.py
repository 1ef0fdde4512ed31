"""A search whose worker is killed in the middle of it goes on: that costs one part, and its rows stay the same.

The steps of a search at which a worker may die are rows of test_crash_points.py.
"""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.kit.clock import SystemClock
from services.kit.runtime import open_store
from services.kit.settings import load
from tests.support.house import house
from tests.support.searching import conjunction_query, load_sources, searching
from tests.support.server import serving
from tests.support.until import until

_SETTINGS = {"SIGHTLINE_SEARCH_PART_DAYS": "1", "SIGHTLINE_LOG_LEVEL": "DEBUG"}
_QUERY = conjunction_query(end="2020-01-24T23:59:59")
_PARTS = 24
_KILLED_AT = 5

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows that an undisturbed search finds."""

    async def find() -> list[dict[str, Any]]:
        async with searching(tmp_path_factory.mktemp("undisturbed")) as house:
            return await house.found(_QUERY)

    return asyncio.run(find())


async def fill(**where: Any) -> None:
    async with open_store(load({}, **where), SystemClock()) as store:
        await load_sources(store)


def ask(url: str) -> str:
    answer = httpx2.post(f"{url}/api/v1/conjunctions/search", json=_QUERY, trust_env=False)
    assert answer.status_code == 202, answer.text
    return httpx2.URL(answer.headers["location"]).path


async def reach(url: str, path: str, parts: int) -> dict[str, Any]:
    """Wait until so many parts are done, all of them being the end; return the search as our own lookup shows it."""
    query: dict[str, Any] = {}

    async def reached() -> bool:
        query.update(httpx2.get(f"{url}/v1/queries/{path.rpartition('/')[2]}", trust_env=False).json())
        ended: bool = query["state"] == "answered"
        return ended or (parts < _PARTS and query["search"]["parts_done"] >= parts)

    await until(reached, timeout_s=80)
    return query


def rows(url: str, path: str) -> Any:
    return httpx2.get(f"{url}{path}/data", trust_env=False).json()["result"]


def worked(*logs: Path) -> Counter[int]:
    """How often each part was worked, by what the workers logged."""
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines() if "search.part_stored" in line]
    return Counter(line["part"] for line in lines)


def expect_one_part_lost(counts: Counter[int]) -> None:
    # Some parts are in hand: each may be stored by a worker that did not live to say so.
    assert len(counts) >= _PARTS - 2
    assert counts.total() <= _PARTS + 1


async def test_a_killed_worker_costs_one_part_on_rabbitmq_and_mongodb(
    tmp_path: Path, amqp_url: str, mongodb_url: str, expected: list[dict[str, Any]]
) -> None:
    await fill(store=mongodb_url)
    services = ("result_store", "search", "submitter", "gateway")
    with house(tmp_path, bus=amqp_url, store=mongodb_url, services=services, settings=_SETTINGS) as running:
        path, door = ask(running.url("submitter")), running.url("gateway")
        at_death = await reach(door, path, _KILLED_AT)
        worker = running.process("search")
        worker.process.kill()
        worker.process.wait()
        assert at_death["state"] == "running"
        running.restart("search")
        ended = await reach(door, path, _PARTS)
        assert rows(door, path) == expected
    assert [change["state"] for change in ended["history"]] == ["submitted", "running", "answered"]
    expect_one_part_lost(worked(worker.log))


async def test_a_killed_platform_goes_on_where_it_was(tmp_path: Path, expected: list[dict[str, Any]]) -> None:
    await fill(data=tmp_path)
    with serving(tmp_path, environment=_SETTINGS) as dying:
        path = ask(dying.url)
        at_death = await reach(dying.url, path, _KILLED_AT)
        dying.kill()
    assert at_death["state"] == "running"
    with serving(tmp_path, environment=_SETTINGS) as again:
        await reach(again.url, path, _PARTS)
        assert rows(again.url, path) == expected
    expect_one_part_lost(worked(again.log))
