"""How many processors this process may use."""

import os
from pathlib import Path


def count_processors(*, root: Path = Path("/")) -> int:
    """Return the processors that we may use: affinity, then the quota of our control group, rounded up; at least 1.

    `os.cpu_count()` would name the machine's, and twice as many threads as processors is slower than half as many.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for quota in (_quota_v2(root), _quota_v1(root)) if quota is not None]
    return max(1, min([allowed, *(int(-(-quota // 1)) for quota in quotas)]))


def _quota_v2(root: Path) -> float | None:
    """Return the least quota from our group up to the root of the one hierarchy."""
    hierarchy = root / "sys/fs/cgroup"
    quotas = []
    for name in (_group(root), *_parents(_group(root))):
        limit, _, period = _read(hierarchy / name / "cpu.max").partition(" ")
        if limit.isdecimal() and period.strip().isdecimal():
            quotas.append(int(limit) / int(period))
    return min(quotas, default=None)


def _quota_v1(root: Path) -> float | None:
    folder = root / "sys/fs/cgroup/cpu"
    limit, period = _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
    return int(limit) / int(period) if limit.isdecimal() and period.isdecimal() and int(period) else None


def _group(root: Path) -> str:
    """Return our group's path, "" when it is the root (as seen inside a container) or not known."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::/"):
            return line.removeprefix("0::/")
    return ""


def _parents(group: str) -> list[str]:
    parts = group.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts))]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
