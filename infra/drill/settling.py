"""Waiting, after the faults, until nothing is left to do."""

import asyncio
import time
from collections.abc import Iterable

from contracts.topics import DEAD, FACTS, IMAGE_QUERIES, SEARCH_ASSEMBLIES, SEARCH_PARTS, SEARCH_PLANS
from infra.drill.installation import Installation
from infra.drill.journal import ENDED
from infra.drill.load import Load
from services.kit.bus.port import Depth
from services.kit.errors import Unavailable
from services.kit.runtime import open_bus
from services.kit.settings import load as load_settings

_PAUSE_S = 0.5
_AT_ONCE = 8
_QUEUES = (IMAGE_QUERIES, SEARCH_PLANS, SEARCH_PARTS, SEARCH_ASSEMBLIES, FACTS, DEAD)
_CALM = 3
"""Looks in a row that must find the queues empty: what a consumer has in hand is not seen."""


async def settle(load: Load, installation: Installation, *, limit_s: float) -> list[str]:
    """Wait until every acknowledged query has ended and every queue is empty; return what is left after `limit_s`."""
    deadline = time.monotonic() + limit_s
    left = ["the queries were not looked at"]
    while left and time.monotonic() < deadline:
        left = await _open_queries(load)
        if left:
            await asyncio.sleep(_PAUSE_S)
    if left:
        return [f"{len(left)} acknowledged queries have not ended after {limit_s:.0f} s"]
    return await _drain(installation, deadline) if installation.bus else []


async def _open_queries(load: Load) -> list[str]:
    record = load.journal.record
    waiting = [each for each in record.acknowledged.values() if record.seen.get(each) not in ENDED]
    room = asyncio.Semaphore(_AT_ONCE)

    async def look(query_id: str) -> None:
        async with room:
            await load.look(query_id)

    await asyncio.gather(*(look(query_id) for query_id in waiting))
    return [each for each in waiting if record.seen.get(each) not in ENDED]


async def _drain(installation: Installation, deadline: float) -> list[str]:
    """Wait until no queue has work; return what lies there all the same, parked messages included."""
    calm, ready, parked = 0, "the broker was not asked", ""
    while calm < _CALM and time.monotonic() < deadline:
        try:
            depths = await _depths(installation.bus)
        except Unavailable as error:
            ready = str(error)
        else:
            ready = _list((name, depth.ready) for name, depth in depths.items())
            parked = _list((name, depth.parked) for name, depth in depths.items())
        calm = 0 if ready else calm + 1
        await asyncio.sleep(_PAUSE_S)
    found = {"waiting": ready, "parked": parked}
    return [f"{how} in the queues: {what}" for how, what in found.items() if what]


async def _depths(url: str) -> dict[str, Depth]:
    async with open_bus(load_settings({}, bus=url)) as bus:
        return {queue.name: await bus.depth(queue) for queue in _QUEUES}


def _list(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts if count)
