"""The soak's look at the memory: what it counts, and from which growth on it fails."""

import subprocess
import sys
from pathlib import Path

from infra.drill.services import Service, Supervisor
from infra.drill.soak import MOST_GROWTH, Growth, growth_of, memory_of, problems_of
from tests.support.until import until

_HELD = 50 * 2**20
_PARENT = f"""
import subprocess, sys, time
held = bytearray({_HELD})
subprocess.Popen([sys.executable, "-c", "import time; held = bytearray({_HELD}); time.sleep(60)"])
time.sleep(60)
"""


async def test_memory_is_that_of_a_service_and_its_children(tmp_path: Path) -> None:
    supervisor = Supervisor([_service(tmp_path)])
    try:
        await until(lambda: memory_of(supervisor).get("submitter", 0) > 2 * _HELD)
        assert memory_of(supervisor)["submitter"] < 4 * _HELD
    finally:
        await supervisor.close()


def _service(folder: Path) -> Service:
    service = Service("submitter", 1, folder, {})
    service.process = subprocess.Popen([sys.executable, "-c", _PARENT], start_new_session=True)
    return service


def test_growth_beyond_the_limit_is_a_problem() -> None:
    growth = growth_of({"gateway": 100, "submitter": 100, "gone": 1}, {"gateway": 109, "submitter": 112})
    assert growth == {"gateway": Growth(100, 109), "submitter": Growth(100, 112)}
    assert [line.split()[0] for line in problems_of(growth)] == ["submitter"]
    assert growth["gateway"].ratio < MOST_GROWTH < growth["submitter"].ratio
