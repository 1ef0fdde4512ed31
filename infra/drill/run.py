"""One drill from beginning to end: start, load, break, heal, settle, read, judge, report."""

import asyncio
import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from contracts.http.queries import Query
from infra.drill.doors import Doors
from infra.drill.facts import Forger
from infra.drill.faults import Breaker
from infra.drill.installation import Installation, embedded, on_given_servers, on_own_servers
from infra.drill.journal import ENDED, Journal, Record
from infra.drill.load import Load
from infra.drill.picture import Story, draw
from infra.drill.report import Report
from infra.drill.schedule import Fault, plan, possible_faults
from infra.drill.searches import Searching
from infra.drill.services import DrillError, Supervisor, deaths_of
from infra.drill.settling import settle
from infra.drill.soak import FEW, MANY, Growth, growth_of, memory_of, problems_of
from infra.drill.verdict import Rows, judge
from infra.local import folders
from services.kit.logging import configure

_SETTLE_S = 180.0
_LAST_QUESTIONS_S = 90.0
_COUNT_EVERY_S = 1.0
_LONG_S = 300.0
_ANY_RATE = 1e9

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What drill is asked for. Without addresses it starts servers of its own, `all_in_one` needs none."""

    seconds: float
    seed: int
    rate: float
    folder: Path
    all_in_one: bool = False
    bus: str = ""
    store: str = ""
    soak: bool = False
    """No faults and no time: MANY queries as fast as they are taken, and a look at the memory."""


async def drill(wanted: Wanted, *, tell: Tell, count: Tell) -> Report:
    """Run a drill and return what it found; `tell` gets a line per event, `count` the state of things each second.

    Raises:
        DrillError: the platform cannot be started or read, or no fault fits into the time.
        ServerMissingError, ServerFailedError: a server of our own cannot be had.
    """
    configure("ERROR", "console")  # what our own ports say is not the report
    folders.sweep()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    data = folders.make_folder("drill")
    tell(f"seed {wanted.seed}; what the services say is in {data} until the end")
    try:
        async with _installation(wanted, data) as installation, Doors(installation) as doors:
            return await _Drill(wanted, installation, doors, tell, count).run()
    finally:
        for log in data.glob("*/log"):
            (wanted.folder / f"{log.parent.name}.log").write_bytes(log.read_bytes())
        folders.remove(data)


def _installation(wanted: Wanted, data: Path) -> AbstractAsyncContextManager[Installation]:
    tenant = f"drill-{secrets.token_hex(4)}"
    if wanted.all_in_one:
        return embedded(data, tenant=tenant)
    if wanted.bus:
        return on_given_servers(data, tenant=tenant, bus=wanted.bus, store=wanted.store)
    return on_own_servers(data, tenant=tenant)


def schedule_of(wanted: Wanted, installation: Installation) -> tuple[Fault, ...]:
    """Return the faults of a drill: the same for the same seed, time and kind of installation.

    Raises:
        DrillError: the time is too short for any: such a drill would pass and show nothing.
    """
    possible = possible_faults(
        services=[service.name for service in installation.supervisor.services],
        bus=bool(installation.bus),
        own_servers=installation.broker is not None,
        proxies=bool(installation.proxies),
        long=wanted.seconds >= _LONG_S,
    )
    faults = plan(wanted.seed, wanted.seconds, possible)
    if not faults:
        raise DrillError(f"no fault fits into {wanted.seconds:g} s; give it --seconds 120")
    return faults


@dataclass(slots=True)
class _Drill:
    wanted: Wanted
    installation: Installation
    doors: Doors
    tell: Tell
    count: Tell

    async def run(self) -> Report:
        wanted, installation = self.wanted, self.installation
        faults = () if wanted.soak else schedule_of(wanted, installation)
        aim = f"{MANY} queries" if wanted.soak else f"{len(faults)} faults in {wanted.seconds:g} s"
        self.tell(f"{installation.described}: {aim}")
        model, detector = await self.doors.prepare()
        forger = Forger(installation.bus, installation.tenant, model, detector) if installation.bus else None
        with Journal(wanted.folder / "journal.jsonl") as journal:
            load = Load(self.doors, journal, _ANY_RATE if wanted.soak else wanted.rate, wanted.seed)
            searching = Searching(self.doors, load)
            self.tell("searching while nothing is broken")
            await searching.learn()
            began_at = load.begin()
            chance = random.Random(wanted.seed)
            breaker = Breaker(
                installation, load, self.doors, forger, chance, lambda fault: self._begin(load, fault), searching
            )
            growth: dict[str, Growth] = {}
            if wanted.soak:
                left, growth = await self._soak(load, searching)
            else:
                left = await self._under_load(load, searching, breaker, faults)
            stored = await self.doors.all_queries()
            rows = Rows(expected=searching.expected, found=await searching.found())
            left += [
                f"dead letter {each.id} of {each.queue}: {each.reason}" for each in await self.doors.dead_letters()
            ]
        stopped = await installation.supervisor.stop()
        findings = judge(journal.record, stored, rows)
        problems = findings.problems(faults=bool(faults)) + left + sorted(set(load.problems))
        problems += problems_of(growth) + deaths_of(
            installation.supervisor.endings, poisoned=any(each.fault.kind == "poison" for each in breaker.injected)
        )
        problems += [
            f"{name} ended with status {status} when asked to stop" for name, status in stopped.items() if status
        ]
        report = Report(
            seed=wanted.seed,
            seconds=wanted.seconds,
            installation=installation.described,
            version=version("sightline"),
            began_at=began_at,
            findings=findings,
            problems=problems,
            injected=breaker.injected,
            statuses=load.statuses,
            restarts=_restarts(installation.supervisor),
            stopped=stopped,
            growth=growth,
        )
        report.write(wanted.folder)
        draw(_story(report, journal.record, stored), wanted.folder / "report.png")
        return report

    async def _under_load(
        self, load: Load, searching: Searching, breaker: Breaker, faults: tuple[Fault, ...]
    ) -> list[str]:
        """Ask, break, heal and settle; return what was left undone."""
        counting = asyncio.create_task(self._count(load))
        asking = asyncio.create_task(searching.run())
        try:
            await breaker.run(faults)
            await asyncio.sleep(max(0.0, self.wanted.seconds - load.elapsed_s))
            self._say(load, "the faults are over: healing")
            load.stopping.set()
            await breaker.heal()
            await self.installation.supervisor.ready()
            async with asyncio.timeout(_LAST_QUESTIONS_S):
                await asking
            self._say(load, "settling")
            return await settle(load, self.installation, limit_s=_SETTLE_S)
        except TimeoutError:
            return [f"submitters did not learn the outcome of their last questions in {_LAST_QUESTIONS_S:.0f} s"]
        finally:
            for task in (asking, counting):
                task.cancel()
            await asyncio.gather(asking, counting, return_exceptions=True)

    async def _soak(self, load: Load, searching: Searching) -> tuple[list[str], dict[str, Growth]]:
        """Ask as fast as questions are taken; return what was left undone, and the growth of each service."""
        counting = asyncio.create_task(self._count(load))
        held: list[dict[str, int]] = []
        left: list[str] = []
        try:
            for most in (FEW, MANY):
                load.most = most
                await searching.run()
                left += await settle(load, self.installation, limit_s=_SETTLE_S)
                held.append(memory_of(self.installation.supervisor))
                self._say(load, f"{sum(held[-1].values()) / 2**20:.0f} MiB in all services")
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
        return left, growth_of(*held)

    def _begin(self, load: Load, fault: Fault) -> None:
        self._say(load, str(fault))

    def _say(self, load: Load, text: str) -> None:
        self.tell(f"{load.elapsed_s:6.1f} s  {_state(load)}  {text}")

    async def _count(self, load: Load) -> None:
        while True:
            self.count(f"{load.elapsed_s:6.1f} s  {_state(load)}")
            await asyncio.sleep(_COUNT_EVERY_S)


def _state(load: Load) -> str:
    record = load.journal.record
    return f"asked {len(record.intents):5}  accepted {len(record.acknowledged):5}"


def _restarts(supervisor: Supervisor) -> dict[str, dict[str, int]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for ending in supervisor.endings:
        itself = "by the poison" if ending.by_poison else f"by itself, status {ending.status}"
        counts[ending.service]["by the drill" if ending.by_drill else itself] += 1
    return {name: dict(count) for name, count in sorted(counts.items())}


def _story(report: Report, record: Record, stored: Sequence[Query]) -> Story:
    counters = report.findings.counters
    said = (
        f"{'passed' if report.passed else 'FAILED'}: {counters.acknowledged} acknowledged, "
        f"{counters.answered} answered, {counters.lost} lost, {counters.unexpected} unexpected, "
        f"{counters.duplicated} duplicated, {counters.wrong} wrong, {counters.repeated} repeated"
    )
    ends = [change.at for query in stored for change in query.history if change.state in ENDED]
    return Story(
        title=f"sightline drill, seed {report.seed}: {report.installation}",
        verdict=said,
        passed=report.passed,
        accepted_s=list(record.acknowledged_at_s.values()),
        asked_s=[(query.created_at - report.began_at).total_seconds() for query in stored],
        ended_s=[(at - report.began_at).total_seconds() for at in ends],
        injected=report.injected,
    )
