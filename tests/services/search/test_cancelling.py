"""A search that is cancelled in any phase ends its client's wait, and its work."""

from pathlib import Path
from typing import Any

import pytest

from services.kit.bus.codec import decode
from services.kit.store.documents import QueryKey
from tests.support.searching import TENANT, conjunction_query, searching

PHASES = {"search.part.v1": 0, "search.part_done.v1": 1, "search.assemble.v1": 4, "search.completed.v1": 4}
"""The message before which it is cancelled, and how many parts are worked by then."""


@pytest.mark.parametrize("phase", PHASES)
async def test_a_search_ends_where_it_is_cancelled(tmp_path: Path, phase: str) -> None:
    cancelled: list[str] = []
    async with searching(tmp_path, search_part_days=1, search_parts_at_once=1) as house:
        publish = house.platform.bus.publish

        async def cancelling(messages: Any) -> None:
            for message in messages:
                if message.routing_key.startswith(phase) and not cancelled:
                    cancelled.append(decode(message).subject or "")
                    answer = await house.http.request("DELETE", _path(cancelled[0]), content=b"{}")
                    assert answer.json()["search_result"]["error_condition"] is True
            await publish(messages)

        house.platform.bus.publish = cancelling  # type: ignore[method-assign]
        path = await house.ask(conjunction_query())
        status = await house.end(path)
        assert cancelled == [path.rsplit("/", 1)[-1]]
        assert status["search_result"]["data_uri"] == f"{path}/data"
        assert status["search_result"]["error_condition"] is True
        assert status["logs"][-1]["summary"] == "the search was cancelled"
        assert (await house.http.get(f"{path}/data")).status_code == 404
        # Another search comes behind everything that was still under way: nothing of the first goes on.
        await house.found(conjunction_query())
        assert (await house.status(path))["logs"][-1]["summary"] == "the search was cancelled"
        recorded = await house.platform.store.search_rows.recorded(QueryKey(TENANT, cancelled[0]))
        assert len([part for part in recorded if part > 0]) == PHASES[phase]


async def test_one_that_is_complete_keeps_its_rows(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        path = await house.ask(conjunction_query())
        await house.end(path)
        rows = await house.rows(path)
        answer = await house.http.request("DELETE", path, content=b"{}")
        assert (answer.status_code, answer.json()["search_result"]["error_condition"]) == (200, False)
        assert await house.rows(path) == rows


def _path(query_id: str) -> str:
    return f"/api/v1/conjunctions/requests/{query_id}"
