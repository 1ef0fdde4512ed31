"""`python -m benchmarks`: measure everything and write the results and their tables."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import images, machine, report, steps, suite
from benchmarks.folders import LATEST, REPORT
from benchmarks.servers import Servers
from infra.local.errors import ServerMissingError

_METHOD = """
One machine runs everything: broker, database, services, publisher and load share its processors. Images are 640 x 480
JPEGs of about 28 kB, no two of a run alike. A run's time is from the first question published to the last answer
stored (majority and journal, or fsync); the store is asked afterwards whether they are all there. With separate
services one publisher process sends over AMQP, as a device does; the embedded bus serves one process only, so that
there 16 HTTP connections submit. The bare loop decodes, resizes and runs the same model on the same processors, with
the best of its variants, and is measured between the repetitions. Questions one at a time: POST, then GET with
`wait`. HTTP doors: 16 connections for some seconds; submissions with workers and result store stopped meanwhile, and
once more while they are answered; beside them a bare FastAPI route that reads the body, and one that finds a document
by its key in the same store. Memory: the
peak of each process at the end of everything.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    given = _parse(arguments)
    plan = suite.QUICK if given.quick else suite.FULL
    if given.queries:
        plan = replace(plan, queries=given.queries)
    facts = machine.describe()
    pack = images.make(min(plan.queries, 3000))
    rates = suite.measure_bare(plan, pack, _say)
    best = suite.best_variants(rates)
    single_steps = steps.measure(images.load(pack)[0], seconds=plan.step_s)
    layouts: dict[str, suite.LayoutFigures] = {}
    try:
        if given.only != "embedded":
            on = Servers(bus=given.bus, store=given.store) if given.bus else None
            with suite.separate(plan, on) as opened:
                layouts["separate"] = suite.measure_layout("separate", opened, plan, pack=pack, best=best, say=_say)
        if given.only != "separate":
            with suite.embedded() as opened:
                layouts["embedded"] = suite.measure_layout("embedded", opened, plan, pack=pack, best=best, say=_say)
    except ServerMissingError as error:
        print(error, file=sys.stderr)
        return 1
    results: dict[str, Any] = {
        "made_at": datetime.now(UTC).date().isoformat(),
        "machine": facts,
        "method": {
            "quick": given.quick,
            "queries": plan.queries,
            "repetitions": plan.repetitions,
            "inference_processes": plan.workers,
            "text": " ".join(_METHOD.split()),
        },
        "figures": suite.as_figures(rates, single_steps, layouts),
        "ratios": suite.ratios_of(layouts),
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name, value in results["ratios"].items():
        _say(f"{name} = {value}")
    if not given.quick:
        report.write(given.report, results)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write results and tables.")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds; its figures mean nothing")
    parser.add_argument("--only", choices=("separate", "embedded"), help="measure one layout")
    parser.add_argument("--queries", type=int, help="queries a run instead of 3000")
    parser.add_argument("--bus", help="amqp:// address of a broker instead of our own; needs --store")
    parser.add_argument("--store", help="mongodb:// address of an empty database instead of our own; needs --bus")
    parser.add_argument("--output", type=Path, default=LATEST, help="where the results go")
    parser.add_argument("--report", type=Path, default=REPORT, help="the document whose tables are replaced")
    given = parser.parse_args(arguments)
    if bool(given.bus) != bool(given.store):
        parser.error("give both --bus and --store, or neither")
    return given


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
