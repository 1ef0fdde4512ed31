"""The part worker beside others that have a copy of the same part."""

import json
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.v1.search import SearchPart, SearchPartDone
from services.kit.bus.codec import encode, event_of
from services.kit.bus.outcomes import Done, Work
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed
from services.search.parts import PartWorker
from services.search.processor import Processor
from tests.support.documents import NOW
from tests.support.searching import TENANT, conjunction_query, searching

_PART = SearchPart(
    query_id="sr_000000000000000000000000001",
    search_type="conjunction",
    query_json=json.dumps(conjunction_query()),
    submitted_at=NOW,
    part=1,
    parts=2,
    stride=1,
    days=2,
    start=NOW.replace(year=2020, month=1, day=1, hour=0, minute=0, second=0, microsecond=0),
    end=NOW.replace(year=2020, month=1, day=2, hour=23, minute=59, second=59, microsecond=0),
)


@pytest.mark.parametrize(("attempt", "says"), [(1, 0), (2, 1)])
async def test_who_finds_the_part_stored_by_another_says_so_only_when_it_was_asked_before(
    tmp_path: Path, attempt: int, says: int
) -> None:
    async with searching(tmp_path, factories=()) as house, AsyncExitStack() as stack:
        store, clock = house.platform.store, house.platform.clock
        read = store.ephemeris.read

        async def while_another_stores(*given: Any) -> Any:
            await store.search_rows.put(QueryKey(TENANT, _PART.query_id), 1, Packed([b"theirs"], 1, 6), NOW)
            return await read(*given)

        store.ephemeris.read = while_another_stores  # type: ignore[assignment,method-assign]
        event = event_of(_PART, source="search", tenant=TENANT, lane="default", at=NOW)
        worker = PartWorker(store, clock, Processor(stack), retention=timedelta(days=1))
        (outcome,) = await worker.handle([Work(event, attempt, last_attempt=False, message=encode(event))])
    assert isinstance(outcome, Done)
    assert [type(said.payload) for said in outcome.events] == [SearchPartDone] * says
