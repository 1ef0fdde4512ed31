"""`python -m benchmarks.growth [PART ...]`: what it costs that there is more of something, as tables and a picture."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import command, layouts, machine
from benchmarks.command import say
from benchmarks.folders import ROOT
from benchmarks.growth import backlog, detectors, fleet, held, picture, sizes
from benchmarks.servers import Servers
from infra.local.errors import ServerMissingError

PICTURE = ROOT / "docs" / "growth.png"
PARTS = ("waiting", "sizes", "detectors", "workers", "memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = command.options("python -m benchmarks.growth")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--picture", default=PICTURE, help="where the picture goes")
    given = command.parse(parser, arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    facts, figures = machine.describe(), {}
    pack = command.pack_of(command.plan_of(given))
    try:
        with layouts.open_servers(command.servers_of(given)) as on:
            for part in given.parts or PARTS:
                figures[part] = _measure(part, on.with_database(part), pack, quick=given.quick)
    except ServerMissingError as error:
        print(error, file=sys.stderr)
        return 1
    command.write(given, "growth", {"growth": figures}, facts)
    picture.draw(json.loads(given.output.read_text(encoding="utf-8"))["figures"]["growth"], given.picture)
    return 0


def _measure(part: str, on: Servers, pack: Any, *, quick: bool) -> Any:
    if part == "waiting":
        return backlog.measure(on, pack, say, (1, 20) if quick else backlog.NUMBERS)
    if part == "sizes":
        return sizes.measure(on, say, (10_000, 100_000) if quick else sizes.SIZES)
    if part == "detectors":
        return detectors.measure(on, pack, say, (1, 3) if quick else detectors.NUMBERS)
    if part == "workers":
        return fleet.measure(on, pack, say, (1, 2) if quick else fleet.NUMBERS, repetitions=1 if quick else 3)
    return held.measure(on, pack, say, (50, 100) if quick else held.NUMBERS)


if __name__ == "__main__":
    sys.exit(main())
