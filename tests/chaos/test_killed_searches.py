"""A search survives the death of its worker at any point: its rows are those of an undisturbed one."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.kit.store.sqlite import SqliteStore
from tests.support.searching import conjunction_query, load_sources, searching
from tests.support.server import serving
from tests.support.until import until

POINTS = ("search.parts.working", "search.parts.confirmed", "search.assemblies.confirmed")
_SETTINGS = {"SIGHTLINE_SEARCH_PART_DAYS": "1"}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows that an undisturbed search finds."""

    async def find() -> list[dict[str, Any]]:
        async with searching(tmp_path_factory.mktemp("undisturbed")) as house:
            return await house.found(conjunction_query())

    return asyncio.run(find())


@pytest.mark.parametrize("point", POINTS)
async def test_a_search_goes_on_after_its_worker_was_killed(
    tmp_path: Path, point: str, expected: list[dict[str, Any]]
) -> None:
    async with SqliteStore(tmp_path / "store.sqlite") as store:
        await load_sources(store)
    with serving(tmp_path, environment=_SETTINGS | {"SIGHTLINE_CRASH_AT": point}) as dying:
        answer = httpx2.post(f"{dying.url}/api/v1/conjunctions/search", json=conjunction_query(), trust_env=False)
        path = httpx2.URL(answer.headers["location"]).path
        await until(lambda: dying.process.poll() is not None, timeout_s=30)
    with serving(tmp_path, environment=_SETTINGS) as again, httpx2.Client(base_url=again.url, trust_env=False) as http:
        await until(lambda: http.get(path).json()["search_result"]["data_uri"] is not None, timeout_s=30)
        assert http.get(f"{path}/data").json()["result"] == expected
