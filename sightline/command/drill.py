"""The drill, started by name."""

import asyncio
import json
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sightline.command.failures import FAILED, USAGE, CommandFailed
from sightline.command.options import part, translated

_CLEAR = "\x1b[2K\r"
_SEEDS = 1_000_000
_MIB = 2**20


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("drill")(drill)


def drill(
    *,
    seconds: Annotated[float, typer.Option(min=5, help="How long faults are injected; healing comes on top.")] = 120,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same schedule of faults.", show_default="a random one")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Questions a second, where the platform is as fast.")] = 25,
    embedded: Annotated[bool, typer.Option("--embedded", help="The all-in-one process on SQLite.")] = False,
    bus: Annotated[str | None, typer.Option(help="Address of a RabbitMQ that was made for the drill.")] = None,
    store: Annotated[str | None, typer.Option(help="Address of a MongoDB that was made for the drill.")] = None,
    soak: Annotated[
        bool, typer.Option("--soak", help="No faults: 20,000 queries, and what memory each service holds after them.")
    ] = False,
    report: Annotated[Path, typer.Option(help="Folder for the report, the picture and the logs.")] = Path(
        "drill-report"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Break a platform under load for a while and check that it kept its promises.

    Starts servers and services of its own, asks questions whose answers are known, kills, freezes and cuts, publishes
    facts twice, late and wrong, and then looks every query up. Exit code 0 when nothing acknowledged was lost, nothing
    ended twice and no answer was wrong. See docs/reliability.md.
    """
    if bool(bus) != bool(store) or (embedded and bus):
        raise CommandFailed("give --bus and --store together, or neither; --embedded has its own", exit_code=USAGE)
    running = part("infra.drill.run", "embedded" if embedded else "embedded,rabbitmq,mongodb")
    wanted = running.Wanted(
        seconds=seconds,
        seed=secrets.randbelow(_SEEDS) if seed is None else seed,
        rate=rate,
        folder=report.absolute(),
        all_in_one=embedded,
        bus=bus or "",
        store=store or "",
        soak=soak,
    )
    found = _run(running, wanted)
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        _show(found, report)
    raise typer.Exit(0 if found.passed else FAILED)


def _run(running: Any, wanted: Any) -> Any:
    failures = (part("infra.drill.services", "embedded").DrillError, *_server_errors())
    try:
        with translated():
            return asyncio.run(running.drill(wanted, tell=_tell, count=_count))
    except failures as error:
        raise CommandFailed(str(error)) from error


def _server_errors() -> tuple[type[Exception], ...]:
    errors = part("infra.local.errors", "embedded")
    return errors.ServerMissingError, errors.ServerFailedError


def _tell(line: str) -> None:
    print(f"{_CLEAR if sys.stderr.isatty() else ''}{line}", file=sys.stderr, flush=True)


def _count(line: str) -> None:
    if sys.stderr.isatty():
        print(f"{_CLEAR}{line}", end="", file=sys.stderr, flush=True)


def _show(found: Any, folder: Path) -> None:
    document = found.as_json()
    counters = document["counters"]
    width = max(len(name) for name in counters)
    print(f"{'':<{width}}  {'all':>6}  searches")
    for name, count in counters.items():
        print(f"{name:<{width}}  {count:>6}  {document['searches'][name]:>8}")
    planted = ", ".join(f"{count} {reason}" for reason, count in document["planted"].items())
    print(f"planted  {planted or 'none'}")
    print(f"report  {folder / 'report.json'}, {folder / 'report.png'}")
    for name, each in document["growth"].items():
        before, after = each["few_bytes"] / _MIB, each["many_bytes"] / _MIB
        print(f"memory  {name}: {before:.0f} MiB after 5,000, {after:.0f} MiB after 20,000: {each['ratio']:.2f} times")
    for problem in document["problems"]:
        print(f"problem  {problem}")
    print(f"{document['verdict']}  seed {document['seed']}")
