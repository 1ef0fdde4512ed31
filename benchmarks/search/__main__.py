"""`python -m benchmarks.search`: the conjunction search against NumPy, then through real services.

The figures go to benchmarks/results/search.json and the table of docs/search.md; ratios are what to compare.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.search import engine  # first: it says how many threads NumPy has

from benchmarks import machine, servers  # isort: skip
from benchmarks.folders import RESULTS, ROOT  # isort: skip
from benchmarks.search import data, report, services  # isort: skip
from services.kit.store.sqlite import SqliteStore  # isort: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    given = _parse(arguments)
    results: dict[str, Any] = {
        "made_at": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.describe(),
        "days": given.days,
    }
    with tempfile.TemporaryDirectory() as folder:
        if given.only != "services":
            path = Path(folder) / "store.sqlite"
            asyncio.run(_fill(path, given.days))
            results["engine"] = engine.measure(path, given.days)
            print(json.dumps(results["engine"]["times_haversine"]))
        if given.only != "engine":
            with servers.own_servers() as own:
                results["services"] = services.measure(Path(folder), own, given.days)
            print(json.dumps(results["services"]))
    given.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if given.report is not None:
        report.write(given.report, results)
    return 0


async def _fill(path: Path, days: int) -> None:
    async with SqliteStore(path) as store:
        await data.fill(store, days)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--days", type=int, default=365, help="length of the whole span")
    parser.add_argument("--only", choices=("engine", "services"), help="measure one of the two")
    parser.add_argument("--output", type=Path, default=RESULTS / "search.json", help="where the figures go")
    parser.add_argument("--report", type=Path, help="the document whose table is replaced")
    given = parser.parse_args(arguments)
    if given.report is None and given.only is None and given.days == 365:
        given.report = ROOT / "docs" / "search.md"
    return given


if __name__ == "__main__":
    sys.exit(main())
