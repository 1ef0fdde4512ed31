"""What a drill found: for programs one JSON document, for people a few lines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.drill.faults import Injected
from infra.drill.soak import Growth
from infra.drill.verdict import Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome. `problems` says why it failed; none means that it passed."""

    seed: int
    seconds: float
    installation: str
    version: str
    began_at: datetime
    findings: Findings
    problems: Sequence[str]
    injected: Sequence[Injected]
    statuses: Mapping[str, int]
    """What the doors answered, by HTTP status."""
    restarts: Mapping[str, Mapping[str, int]]
    """For each service, how often it ended by the drill's hand, and how often by itself with which status."""
    stopped: Mapping[str, int]
    """Exit status of each service when it was asked to stop at the end."""
    growth: Mapping[str, Growth]
    """After a soak, the memory of each service."""

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "verdict": "passed" if self.passed else "failed",
            "problems": list(self.problems),
            "counters": asdict(self.findings.counters),
            "searches": asdict(self.findings.searches),
            "planted": dict(sorted(self.findings.planted.items())),
            "recovered": self.findings.recovered,
            "examples": self.findings.examples,
            "seed": self.seed,
            "seconds": self.seconds,
            "installation": self.installation,
            "version": self.version,
            "began_at": self.began_at.isoformat(),
            "faults": [
                {
                    "fault": str(each.fault),
                    "kind": each.fault.kind,
                    "target": each.fault.target,
                    "planned_s": each.fault.at_s,
                    "from_s": round(each.from_s, 2),
                    "until_s": round(each.until_s, 2),
                    "said": each.said,
                }
                for each in self.injected
            ],
            "http_statuses": dict(self.statuses),
            "restarts": {name: dict(count) for name, count in self.restarts.items()},
            "stopped": dict(self.stopped),
            "growth": {name: {**asdict(each), "ratio": round(each.ratio, 3)} for name, each in self.growth.items()},
        }

    def write(self, folder: Path) -> Path:
        """Write `report.json` into a folder and return its path."""
        path = folder / "report.json"
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
        return path
