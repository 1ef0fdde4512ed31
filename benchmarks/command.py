"""What the commands have in common: options, the platform to measure, and where the figures go."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import doors, images, latency, layouts, machine, models, record, report, steps, throughput
from benchmarks.folders import LATEST, REPORT
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.servers import Servers
from infra.local.errors import ServerMissingError

PACK = 3000
"""Different pictures; in longer runs they come again with other bytes."""


def options(program: str) -> argparse.ArgumentParser:
    """Return the options that every command has."""
    parser = argparse.ArgumentParser(prog=program, description="Measure, and write results and tables.")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds; its figures mean nothing")
    parser.add_argument("--queries", type=int, help="queries a run instead of 3000")
    parser.add_argument("--repetitions", type=int, help="of each run instead of 3")
    parser.add_argument("--model", choices=models.MODELS, help="one model instead of all")
    parser.add_argument("--bus", help="amqp:// address of a broker instead of our own; needs --store")
    parser.add_argument("--store", help="mongodb:// address of an empty database instead of our own; needs --bus")
    parser.add_argument("--output", type=Path, default=LATEST, help="where the results go")
    parser.add_argument("--report", type=Path, default=REPORT, help="the document whose tables are replaced")
    return parser


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options; ends the process when they contradict each other."""
    given = parser.parse_args(arguments)
    if bool(given.bus) != bool(given.store):
        parser.error("give both --bus and --store, or neither")
    return given


def plan_of(given: argparse.Namespace) -> Plan:
    """Return what is to be measured."""
    plan = QUICK if given.quick else FULL
    wanted = {"queries": given.queries, "repetitions": given.repetitions}
    wanted["models"] = (given.model,) if given.model else None
    return replace(plan, **{name: value for name, value in wanted.items() if value})


def servers_of(given: argparse.Namespace) -> Servers | None:
    """Return the servers that were named."""
    return Servers(bus=given.bus, store=given.store) if given.bus else None


def pack_of(plan: Plan) -> Path:
    """Return the file of the images."""
    return images.make(min(plan.queries, PACK))


def say(line: str) -> None:
    """Tell the person who waits."""
    print(line, file=sys.stderr, flush=True)


def write(given: argparse.Namespace, part: str, figures: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write the results file, and the report unless the run was a quick one."""
    plan = plan_of(given)
    how = {"quick": given.quick, "queries": plan.queries, "repetitions": plan.repetitions}
    results = record.merged(given.output, part, figures, machine=facts, how=how)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name, value in results["ratios"].items():
        say(f"{name} = {value}")
    if not given.quick:
        report.write(given.report, results)


def run_part(part: str, arguments: Sequence[str] | None = None) -> None:
    """Be the command `python -m benchmarks.PART`."""
    given = parse(options(f"python -m benchmarks.{part}"), arguments)
    facts = machine.describe()
    try:
        figures = _PARTS[part](given, plan_of(given))
    except ServerMissingError as error:
        sys.exit(str(error))
    write(given, part, figures, facts)


def _throughput(given: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    """Measure separate services, the bare loop and the peer."""
    pack = pack_of(plan)
    best_bare, bare_figures = throughput.find_best_bare(plan, pack, say)
    with layouts.separate(servers_of(given), workers=plan.workers) as opened:
        best_peer, peer_figures = throughput.find_best_peer(plan, layouts.servers_of(opened), pack, say)
        figures = throughput.measure(
            "separate",
            opened,
            plan,
            detectors=layouts.prepared(opened, plan.models),
            pack=pack,
            best_bare=best_bare,
            best_peer=best_peer,
            say=say,
        )
    return {"bare_variants": bare_figures, "peer_variants": peer_figures, "separate": figures}


def _latency(given: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    with layouts.separate(servers_of(given)) as opened:
        detectors, pack = layouts.prepared(opened, plan.models), pack_of(plan)
        return {"separate": latency.measure_models(opened, detectors, plan, pack=pack, name="separate", say=say)}


def _doors(given: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    with layouts.separate(servers_of(given)) as opened:
        detector_id, pack = opened.prepare(models.load(models.SMALL)), pack_of(plan)
        return {"separate": doors.measure_all(opened, detector_id, plan, pack=pack, name="separate", say=say)}


def _steps(_given: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    data = images.load(pack_of(plan))[0]
    return {"steps": [asdict(step) for step in steps.measure(data, seconds=plan.step_s)]}


_PARTS: Mapping[str, Callable[[argparse.Namespace, Plan], dict[str, Any]]] = {
    "throughput": _throughput,
    "latency": _latency,
    "doors": _doors,
    "steps": _steps,
}
