"""Disks that are slow or fail under the servers, by answers that are put into their system calls."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.drill.doors import Doors
from infra.drill.installation import Installation, on_own_servers
from infra.drill.journal import Journal
from infra.drill.load import Load
from infra.drill.schedule import WARM_UP_S
from infra.drill.settling import settle
from infra.drill.verdict import Findings, judge
from tests.support.until import until

_FAULT_S = 15.0
_LEAST_ACCEPTED = 50

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]


async def test_a_disk_under_the_broker_that_takes_its_time_fails_nothing(tmp_path: Path) -> None:
    async with on_own_servers(tmp_path / "services", tenant="disks") as installation:
        assert installation.broker is not None
        node = _process_of(installation.broker.pid, "beam.smp")

        async def fault() -> None:
            async with _syscalls(node, "delay_enter=300000"):
                await asyncio.sleep(_FAULT_S)

        findings = await _tried(installation, tmp_path, fault)
    assert findings.problems(faults=False) == []
    assert findings.counters.acknowledged > _LEAST_ACCEPTED


async def test_a_disk_under_the_store_that_fails_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    async with on_own_servers(tmp_path / "services", tenant="disks") as installation:
        store = installation.store
        assert store is not None

        async def fault() -> None:
            async with _syscalls(store.pid, "error=EIO"):
                # It would rather end than go on with a disk that it cannot trust.
                await until(lambda: not store.runs, timeout_s=60)
            await asyncio.to_thread(store.start)

        findings = await _tried(installation, tmp_path, fault)
    assert findings.problems(faults=False) == []
    assert findings.counters.acknowledged > _LEAST_ACCEPTED


async def _tried(installation: Installation, folder: Path, fault: Callable[[], Awaitable[None]]) -> Findings:
    """Do something under load; return what became of the questions, those before and after it included."""
    async with Doors(installation) as doors:
        await doors.prepare()
        with Journal(folder / "journal") as journal:
            load = Load(doors, journal, rate=20, seed=1)
            asking = asyncio.create_task(load.run())
            await asyncio.sleep(WARM_UP_S)
            await fault()
            await asyncio.sleep(WARM_UP_S)
            load.stopping.set()
            await asking
            assert await settle(load, installation, limit_s=120) == []
            return judge(journal.record, await doors.all_queries())


@asynccontextmanager
async def _syscalls(pid: int, answer: str) -> AsyncIterator[None]:
    """Have every sync of a process's files answered otherwise."""
    strace = shutil.which("strace")
    assert strace is not None, "no strace here: it puts faults into system calls (Debian: strace)"
    calls = "fsync,fdatasync"
    options = ("-f", "-qq", "-o", "/dev/null", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={calls}:{answer}")
    tracing = await asyncio.create_subprocess_exec(strace, *options, start_new_session=True)
    try:
        yield
    finally:
        if tracing.returncode is None:
            tracing.send_signal(signal.SIGINT)
        await tracing.wait()


def _process_of(group: int, program: str) -> int:
    """The process of a group that runs `program`."""
    for folder in Path("/proc").iterdir():
        ours = folder.name.isdecimal() and os.getpgid(int(folder.name)) == group
        if ours and (folder / "comm").read_text().strip() == program:
            return int(folder.name)
    raise LookupError(program)
