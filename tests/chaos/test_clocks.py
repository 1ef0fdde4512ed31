"""The wall clock jumps by an hour, forth and back, under single services and under all: nothing is lost or given up."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.drill.services import HOUSE
from tests.support.moved_clock import MovedClock
from tests.support.under_load import installed, tried

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]

_HOUR_S = 3600
_EACH_S = 5.0


async def test_clocks_that_jump_lose_nothing_and_refuse_nobody(amqp_url: str, mongodb_url: str, tmp_path: Path) -> None:
    clocks = {name: MovedClock(tmp_path / "clocks" / name) for name in HOUSE}
    own = {name: clock.environment for name, clock in clocks.items()}

    async def fault() -> None:
        for names in (*((name,) for name in HOUSE), HOUSE):
            for offset_s in (_HOUR_S, -_HOUR_S, 0):
                for name in names:
                    clocks[name].jump_to(offset_s)
                told = await asyncio.to_thread(_told, clocks[names[0]])
                assert abs(told - time.time() - offset_s) < _HOUR_S / 2
                await asyncio.sleep(_EACH_S)

    async with installed(tmp_path / "services", bus=amqp_url, store=mongodb_url, own=own) as installation:
        result = await tried(installation, tmp_path, fault)
    assert {status: n for status, n in result.during.items() if status not in {"200", "202"}} == {}
    result.expect_nothing_lost(least=200)


def _told(clock: MovedClock) -> float:
    """What time it is for a process with the moved clock."""
    command = [sys.executable, "-c", "import time; print(time.time())"]
    return float(subprocess.run(command, env=clock.environment, capture_output=True, check=True).stdout)
