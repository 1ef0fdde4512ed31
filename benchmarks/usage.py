"""What processes used, from /proc (so only on Linux): processor time and peak memory, children told apart."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """A process and its descendants; memory is the peak of resident sets, added up for the descendants.

    Pages that a process shares with others count in each of them, but in `proportional_bytes`.
    """

    cpu_s: float
    own_peak_bytes: int
    children_peak_bytes: int
    resident_bytes: int
    """What all of them hold now."""
    proportional_bytes: int
    """The same, with a page that several processes share divided among them (the kernel's PSS)."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.cpu_s + other.cpu_s,
            self.own_peak_bytes + other.own_peak_bytes,
            self.children_peak_bytes + other.children_peak_bytes,
            self.resident_bytes + other.resident_bytes,
            self.proportional_bytes + other.proportional_bytes,
        )


def usage_of(pid: int) -> Usage:
    """Return what `pid` used up to now; children that have ended count with their processor time."""
    family = list(_family(pid))
    peaks = [_bytes(member, "status", "VmHWM:") for member in family]
    resident = sum(_bytes(member, "status", "VmRSS:") for member in family)
    proportional = sum(_bytes(member, "smaps_rollup", "Pss:") for member in family)
    return Usage(sum(_cpu_s(member) for member in family), peaks[0], sum(peaks[1:]), resident, proportional)


def forget_peak(pid: int) -> None:
    """Count the process's own peak memory from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def _family(pid: int) -> Iterator[int]:
    """Yield the process, then its descendants."""
    yield pid
    try:
        children = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # it ended meanwhile
        return
    for child in " ".join(children).split():
        yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / _TICKS_PER_S  # own and of ended children, user and system


def _bytes(pid: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0
