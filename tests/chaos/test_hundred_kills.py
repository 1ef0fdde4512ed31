"""A hundred workers are killed under load: nobody's query is given up for it."""

import asyncio
import random
from pathlib import Path

import pytest

from infra.drill.doors import Doors
from infra.drill.faults import Breaker
from infra.drill.installation import on_given_servers
from infra.drill.journal import Journal
from infra.drill.load import Load
from infra.drill.schedule import Fault
from infra.drill.settling import settle
from infra.drill.verdict import judge

_KILLS = 100

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]


async def test_a_hundred_killed_workers_cost_nothing_but_work(amqp_url: str, mongodb_url: str, tmp_path: Path) -> None:
    chance = random.Random(1)
    faults = tuple(Fault(1.0, "kill", chance.choice(("inference-1", "inference-2")), 0.0) for _ in range(_KILLS))
    async with (
        on_given_servers(tmp_path, tenant="kills", bus=amqp_url, store=mongodb_url) as installation,
        Doors(installation) as doors,
    ):
        await doors.prepare()
        with Journal(tmp_path / "journal") as journal:
            load = Load(doors, journal, rate=20, seed=1)
            asking = asyncio.create_task(load.run())
            breaker = Breaker(installation, load, doors, None, chance, lambda _: None)
            await breaker.run(faults)
            load.stopping.set()
            await asking
            await installation.supervisor.ready()
            assert await settle(load, installation, limit_s=120) == []
            findings = judge(journal.record, await doors.all_queries())
        by_drill = [ending for ending in installation.supervisor.endings if ending.by_drill]
    assert findings.problems(faults=True) == []
    assert load.problems == []
    assert len(by_drill) > 0.8 * _KILLS  # some hit a worker that was not back yet
