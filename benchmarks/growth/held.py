"""What each service holds after more and more queries, its child processes included."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import layouts, models, pipeline
from benchmarks.plan import Say
from benchmarks.servers import Servers

NUMBERS = (5_000, 10_000, 20_000, 35_000, 50_000)
_SERVICES = ("gateway", "submitter", "inference", "result_store")


def measure(servers: Servers, pack: Path, say: Say, numbers: Sequence[int] = NUMBERS) -> list[dict[str, Any]]:
    """Return a point for each number of queries that were answered up to there."""
    points = []
    with layouts.separate(servers) as opened:
        detector_id = layouts.prepared(opened, [models.SMALL])[models.SMALL]
        done = 0
        for number in numbers:
            task = pipeline.Task(
                detector_id=detector_id, pack=pack, count=number - done, stamp=f"memory after {number}"
            )
            pipeline.measure(opened, task)
            done, used = number, opened.usage()
            resident = {name: round(used[name].resident_bytes / 1e6, 1) for name in _SERVICES}
            proportional = {name: round(used[name].proportional_bytes / 1e6, 1) for name in _SERVICES}
            points.append({"queries": number, "resident_mb": resident, "proportional_mb": proportional})
            say(f"{number} queries: {resident}")
    return points
