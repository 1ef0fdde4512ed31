"""Every service is restarted under load, one after the other, while programs of other versions speak too."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.events import type_and_version
from contracts.ids import IMAGE_QUERY, new_id
from contracts.topics import FACTS, IMAGE_QUERIES
from infra.drill.doors import Doors
from infra.drill.installation import on_given_servers
from infra.drill.journal import Intent, Journal
from infra.drill.load import Load
from infra.drill.searches import SEARCHES, Searching
from infra.drill.services import HOUSE
from infra.drill.settling import settle
from infra.drill.verdict import Rows, judge
from services.kit.bus.rabbit.bus import RabbitBus
from tests.support import versions

pytestmark = pytest.mark.timeout(300)


async def _ask_in_every_version(bus: RabbitBus, load: Load, detector_id: str, tenant: str) -> None:
    """Publish a question as the oldest version and one as a newer, to be answered, and one that nobody knows."""
    for make in (versions.oldest, versions.newer):
        intent = Intent(number=load.next_number(), query_id=new_id(IMAGE_QUERY, datetime.now(UTC)))
        load.journal.intend(intent)
        assert intent.query_id is not None
        await bus.publish([make(intent.query_id, detector_id, intent.number, tenant=tenant)])
        load.accepted(intent.number, intent.query_id)
    await bus.publish([versions.unknown(new_id(IMAGE_QUERY, datetime.now(UTC)), detector_id, 0, tenant=tenant)])


async def test_nothing_fails_and_what_nobody_knows_yet_waits(amqp_url: str, mongodb_url: str, tmp_path: Path) -> None:
    async with (
        on_given_servers(tmp_path, tenant="rolling", bus=amqp_url, store=mongodb_url) as installation,
        Doors(installation) as doors,
    ):
        _, detector = await doors.prepare()
        with Journal(tmp_path / "journal") as journal:
            load = Load(doors, journal, rate=30, seed=1)
            searching = Searching(doors, load)
            await searching.learn()
            asking = asyncio.create_task(searching.run())
            statuses = []
            async with RabbitBus(amqp_url) as bus:
                for name in HOUSE:
                    await _ask_in_every_version(bus, load, detector.id, installation.tenant)
                    statuses.append(await installation.supervisor.replace(name))
                    await _ask_in_every_version(bus, load, detector.id, installation.tenant)
                    await installation.supervisor.ready([name])
            load.stopping.set()
            await asking
            left = await settle(load, installation, limit_s=60)
            stored = await doors.all_queries()
            rows = Rows(expected=searching.expected, found=await searching.found())
        stopped = await installation.supervisor.stop()
        endings = installation.supervisor.endings

    findings = judge(journal.record, stored, rows)
    assert findings.problems(faults=False) == []
    assert findings.counters.acknowledged > 100
    assert findings.searches.answered == findings.searches.acknowledged > len(SEARCHES)
    assert load.problems == []
    assert (set(statuses), set(stopped.values()), endings) == ({0}, {0}, [])
    parked = 2 * len(HOUSE)
    assert left == [f"parked in the queues: inference.image_queries {parked}, result_store.facts {parked}"]
    await _expect_known_ones_back(amqp_url, unknown=parked)


async def _expect_known_ones_back(url: str, *, unknown: int) -> None:
    """A program that knows version 2 gets each of its messages, in both queues."""
    async with RabbitBus(url) as bus:
        for queue in (IMAGE_QUERIES, FACTS):
            assert await bus.unpark(queue, lambda message: type_and_version(message.headers) == (versions.TYPE, 2))
            subscription = await bus.subscribe(queue)
            returned = 0
            async with asyncio.timeout(20):
                while returned < unknown:
                    deliveries = await subscription.receive(unknown)
                    await subscription.ack(deliveries)
                    returned += len(deliveries)
            assert (await bus.depth(queue)).parked == 0
