"""The soak: many queries without a fault, and how much memory each service holds after a few and after all of them."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from infra.drill.services import Supervisor

FEW, MANY = 5_000, 20_000
MOST_GROWTH = 1.1
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident memory of one service, its child processes included, after FEW queries and after MANY."""

    few_bytes: int
    many_bytes: int

    @property
    def ratio(self) -> float:
        """How much larger it is after many."""
        return self.many_bytes / self.few_bytes


def memory_of(supervisor: Supervisor) -> dict[str, int]:
    """Return the resident bytes of each service, summed over its process group."""
    groups = {service.process.pid: service.name for service in supervisor.services if service.process is not None}
    held: defaultdict[str, int] = defaultdict(int)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            name = groups.get(os.getpgid(int(folder.name)))
            if name is not None:
                held[name] += _resident_bytes(folder)
        except (OSError, ProcessLookupError):
            continue  # it ended meanwhile
    return dict(held)


def growth_of(few: dict[str, int], many: dict[str, int]) -> dict[str, Growth]:
    """Return the growth of each service that was measured both times."""
    return {name: Growth(few[name], many[name]) for name in sorted(few) if name in many}


def problems_of(growth: dict[str, Growth]) -> list[str]:
    """Return which services hold more than MOST_GROWTH times as much after MANY queries, one line each."""
    return [
        f"{name} holds {each.ratio:.2f} times as much memory after {MANY} queries as after {FEW}"
        for name, each in growth.items()
        if each.ratio > MOST_GROWTH
    ]


def _resident_bytes(folder: Path) -> int:
    for line in (folder / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * _KIB
    return 0
