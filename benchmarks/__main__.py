"""`python -m benchmarks`: measure everything on this page of the results, and write them and their tables.

Its parts are commands of their own, each a few minutes: `python -m benchmarks.throughput`, `.latency`, `.doors`,
`.steps`, `.growth`; each takes the place of its figures and leaves the others.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import bare, command, doors, images, latency, layouts, machine, models, steps, throughput
from benchmarks.command import say
from benchmarks.installation import Installation
from benchmarks.plan import Plan
from infra.local.errors import ServerMissingError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = command.options("python -m benchmarks")
    parser.add_argument("--only", choices=("separate", "embedded"), help="measure one layout")
    given = command.parse(parser, arguments)
    plan, facts = command.plan_of(given), machine.describe()
    pack = command.pack_of(plan)
    best_bare, bare_figures = throughput.find_best_bare(plan, pack, say)
    single_steps = steps.measure(images.load(pack)[0], seconds=plan.step_s)
    figures: dict[str, Any] = {
        "bare_variants": bare_figures,
        "steps": [asdict(step) for step in single_steps],
    }
    opened_as = {"separate": layouts.separate(command.servers_of(given)), "embedded": layouts.embedded()}
    try:
        for name, opening in opened_as.items():
            if given.only not in (None, name):
                continue
            with opening as opened:
                figures |= _layout(name, opened, plan, pack, best_bare)
    except ServerMissingError as error:
        print(error, file=sys.stderr)
        return 1
    command.write(given, "all", figures, facts)
    return 0


def _layout(
    name: str, opened: Installation, plan: Plan, pack: Path, best_bare: Mapping[str, bare.Variant]
) -> dict[str, Any]:
    """Measure one layout, against the peer too where it has a broker."""
    figures: dict[str, Any] = {}
    best_peer = None
    if opened.bus:
        on = layouts.servers_of(opened)
        best_peer, figures["peer_variants"] = throughput.find_best_peer(plan, on, pack, say)
    detectors = layouts.prepared(opened, plan.models)
    found = throughput.measure(
        name, opened, plan, detectors=detectors, pack=pack, best_bare=best_bare, best_peer=best_peer, say=say
    )
    found |= latency.measure_models(opened, detectors, plan, pack=pack, name=name, say=say)
    at_door = detectors.get(models.SMALL, next(iter(detectors.values())))
    found |= doors.measure_all(opened, at_door, plan, pack=pack, name=name, say=say)
    return {**figures, name: {**found, "memory": layouts.peak_memory(opened)}}


if __name__ == "__main__":
    sys.exit(main())
