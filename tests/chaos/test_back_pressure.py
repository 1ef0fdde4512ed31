"""Nobody takes facts for a while: the queues fill up to their limit, and the door says so instead of swallowing."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.topics import FACTS
from infra.drill.services import HOUSE
from infra.local.rabbitmq import vhost_of
from tests.support.servers import AmqpServer
from tests.support.under_load import installed, tried

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]

_LIMIT_BYTES = 1024**2
_LEAST_ACCEPTED = 100
_LOOK_S = 4.0
_LOOKS = 3
"""As many alike mean that it is full; two alike may be a moment in which the machine stood still."""
_FULL_S = 20.0
_A_BIT_MORE = 1.1
"""A quorum queue that is full may still take what was on its way."""


async def test_a_result_store_that_stands_still_stops_the_door(
    amqp: AmqpServer, amqp_url: str, mongodb_url: str, tmp_path: Path
) -> None:
    own = {name: {"SIGHTLINE_QUEUE_LIMIT_BYTES": str(_LIMIT_BYTES)} for name in HOUSE}
    async with installed(tmp_path, bus=amqp_url, store=mongodb_url, own=own) as installation:

        async def fault() -> None:
            installation.supervisor.freeze("result_store")
            seen: list[int] = []
            async with asyncio.timeout(120):
                while len(seen) < _LOOKS or len(set(seen[-_LOOKS:])) > 1:
                    seen.append(await asyncio.to_thread(_facts, amqp, amqp_url))
                    await asyncio.sleep(_LOOK_S)
            await asyncio.sleep(_FULL_S)
            assert 0 < await asyncio.to_thread(_facts, amqp, amqp_url) <= _A_BIT_MORE * seen[-1]
            installation.supervisor.resume("result_store")

        # The checker looks at queues as one who expects the usual limit, and cannot here.
        result = await tried(replace(installation, bus=""), tmp_path, fault, rate=40)
    assert result.during["503"] > 0
    # One of two queues took it and the other was full: 503, and nobody repeated it. It is answered, and not known by
    # its question.
    half = {query.id for query in result.stored if query.metadata is None}
    counters = result.findings.counters
    assert half & result.acknowledged == set()
    assert (counters.unexpected, counters.lost, counters.duplicated, counters.wrong) == (len(half), 0, 0, 0)
    assert (counters.failed, result.problems) == (sum(result.findings.planted.values()), [])
    assert counters.acknowledged > _LEAST_ACCEPTED


def _facts(server: AmqpServer, url: str) -> int:
    """How many facts lie in the queue."""
    listed = server.ctl("list_queues", "-p", vhost_of(url), "name", "messages")
    return int(dict(line.split("\t")[:2] for line in listed.splitlines() if "\t" in line)[FACTS.queue_name()])
