"""What the HTTP doors do per second: submissions, keyless and keyed, and lookups of what was answered.

Submissions are measured twice: while they are answered on the same processors, and, where services have processes
of their own, at the door alone: workers and result store are stopped meanwhile, and answer everything afterwards. The
broker and the database are at work in both. Beside them, in turn, the bare routes of `benchmarks.bare_http`.
`python -m benchmarks.doors`.
"""

import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import bare_http, pipeline
from benchmarks.figures import Doors, spread_of
from benchmarks.installation import Installation
from benchmarks.load import Lookups, Submits, drive
from benchmarks.plan import Plan, Say

_BEHIND = ("inference", "result_store")
_KINDS = (("keyless", False, True), ("keyed", True, True), ("answered", False, False))
"""Name, whether with keys, whether the door alone."""


def measure(
    installation: Installation, *, detector_id: str, pack: Path, seconds: float, repetitions: int, stamp: str
) -> Doors:
    """Measure the doors in turn, `seconds` each, `repetitions` times."""
    rates: dict[str, list[float]] = defaultdict(list)
    with bare_http.serving(installation.store) as bare:
        for repetition in range(repetitions):
            ids = []
            for kind, keyed, alone in _KINDS:
                load = _submits(installation, detector_id, pack, f"{stamp}-{repetition}-{kind}", keyed=keyed)
                had = pipeline.answered(installation)
                with installation.paused(*_BEHIND if alone else ()):
                    rate = drive(load, seconds=seconds)
                pipeline.drain(installation, had + rate.sent)
                ids += [json.loads(body)["id"] for body in rate.bodies]
                rates[kind].append(rate.per_s)
            bodies = Submits(origin=bare, path="/body", pack=pack, stamp=f"{stamp}-{repetition}")
            rates["bare submits"].append(drive(bodies, seconds=seconds).per_s)
            for kind, origin in (("lookups", installation.origin("gateway")), ("bare lookups", bare)):
                lookups = Lookups(origin=origin, paths=[f"/v1/queries/{each}" for each in ids])
                rates[kind].append(drive(lookups, seconds=seconds).per_s)
    return Doors(
        lookups_per_s=spread_of(rates["lookups"]),
        bare_lookups_per_s=spread_of(rates["bare lookups"]),
        submits_per_s=spread_of(rates["keyless"]),
        keyed_submits_per_s=spread_of(rates["keyed"]),
        answered_submits_per_s=spread_of(rates["answered"]),
        bare_submits_per_s=spread_of(rates["bare submits"]),
    )


def measure_all(
    installation: Installation, detector_id: str, plan: Plan, *, pack: Path, name: str, say: Say
) -> dict[str, Any]:
    """Measure as the plan says; return the figures."""
    at = measure(
        installation,
        detector_id=detector_id,
        pack=pack,
        seconds=plan.doors_s,
        repetitions=plan.repetitions,
        stamp=f"{name}-doors",
    )
    say(f"{name}: {at.lookups_per_s.median:.0f} lookups/s, {at.submits_per_s.median:.0f} submits/s")
    return {"doors": asdict(at)}


def _submits(installation: Installation, detector_id: str, pack: Path, stamp: str, *, keyed: bool) -> Submits:
    path = f"/v1/image-queries?detector={detector_id}"
    return Submits(origin=installation.door("POST", path), path=path, pack=pack, stamp=stamp, keyed=keyed)


if __name__ == "__main__":
    from benchmarks.command import run_part

    run_part("doors")
