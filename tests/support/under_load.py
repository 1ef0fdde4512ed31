"""Something happens to servers while questions are asked: what became of every one of them, by the drill's checker."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.http.queries import Query
from infra.drill.doors import Doors
from infra.drill.installation import Installation
from infra.drill.journal import Journal
from infra.drill.load import Load
from infra.drill.schedule import WARM_UP_S
from infra.drill.services import HOUSE, Service, Supervisor
from infra.drill.settling import settle
from infra.drill.verdict import Findings, judge
from infra.local.processes import free_ports

log = logging.getLogger(__name__)

_SWEEP = {"SIGHTLINE_SWEEP_AFTER_S": "8", "SIGHTLINE_SWEEP_INTERVAL_S": "2", "SIGHTLINE_SWEEP_TRIES": "20"}


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of the questions. `during` counts what the doors answered while it happened."""

    findings: Findings
    acknowledged: frozenset[str]
    stored: Sequence[Query]
    problems: list[str]
    during: Counter[str]

    def expect_nothing_lost(self, *, least: int) -> None:
        """Fail unless every question ended once with the known answer, and at least so many were accepted."""
        counters = self.findings.counters
        assert [*self.findings.problems(faults=False), *self.problems] == [], self.findings.examples
        assert counters.acknowledged >= least, counters


@asynccontextmanager
async def installed(
    folder: Path, *, bus: str, store: str, own: Mapping[str, Mapping[str, str]] | None = None, tenant: str = "chaos"
) -> AsyncIterator[Installation]:
    """Run the services on a bus and a store; `own` are settings of single services, by name."""
    given = {"SIGHTLINE_BUS": bus, "SIGHTLINE_STORE": store, "SIGHTLINE_TOKEN_PEPPER": "of a test"}
    services = []
    for name, port in zip(HOUSE, free_ports(len(HOUSE)), strict=True):
        settings = {**given, "SIGHTLINE_ANONYMOUS_TENANT": tenant, **_SWEEP, **(own or {}).get(name, {})}
        (folder / name).mkdir(parents=True)
        services.append(Service(name, port, folder / name, settings))
    supervisor = Supervisor(services)
    try:
        supervisor.start()
        await supervisor.ready()
        yield Installation(supervisor=supervisor, tenant=tenant, bus=bus)
    finally:
        await supervisor.close()


async def tried(
    installation: Installation,
    folder: Path,
    fault: Callable[[], Awaitable[None]],
    *,
    rate: float = 20,
    settle_s: float = 120,
) -> Tried:
    """Do something under load; return what became of the questions, those before and after it included."""
    async with Doors(installation) as doors:
        await doors.prepare()
        with Journal(folder / "journal") as journal:
            load = Load(doors, journal, rate=rate, seed=1)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run())
                await asyncio.sleep(WARM_UP_S)
                before = Counter(load.statuses)
                await fault()
                during = load.statuses - before
                await asyncio.sleep(WARM_UP_S)
                load.stopping.set()
            assert await settle(load, installation, limit_s=settle_s) == []
            stored = await doors.all_queries()
            findings = judge(journal.record, stored)
            acknowledged = frozenset(journal.record.acknowledged.values())
    log.info("%s; meanwhile the doors answered %s", findings.counters, dict(during))
    return Tried(findings, acknowledged, stored, load.problems, during)


def connections_lost(installation: Installation) -> list[str]:
    """Which services lost connections to the broker, one name for each time."""
    logs = {service.name: service.log.read_text().splitlines() for service in installation.supervisor.services}
    return [name for name, lines in logs.items() for line in lines if '"bus.disconnected"' in line]
