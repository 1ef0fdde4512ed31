"""`python -m benchmarks.ephemeris`: importing months and a year of one spacecraft from CSV into the all-in-one.

Client and platform run on one core. Written to benchmarks/results/ephemeris.json; docs/ephemeris.md says what it means.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.folders import RESULTS, ROOT
from benchmarks.installation import all_in_one
from benchmarks.usage import usage_of

_START = datetime(2020, 1, 1, tzinfo=UTC)
_HEAD = "# frame: GEO\n# unit: degrees\n# time scale: UTC\n"
_PLACES = ("location_geo", "location_gsm", "nbtrace", "sbtrace")
_KIB = 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ephemeris", description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=[30, 91, 365], help="lengths of the files")
    parser.add_argument("--output", type=Path, default=RESULTS / "ephemeris.json", help="where the figures go")
    given = parser.parse_args(arguments)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the children too
    with tempfile.TemporaryDirectory() as folder, all_in_one(Path(folder) / "data") as platform:
        pid, url = platform.processes[0].pid, platform.processes[0].origin
        runs = {str(days): _run(Path(folder), days, url, pid) for days in given.days}
    results = {"machine": machine.describe(), "imports": runs}
    given.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(runs, indent=2))
    return 0


def _run(folder: Path, days: int, url: str, platform: int) -> dict[str, Any]:
    file = folder / "positions.csv"
    _write(file, days)
    source = ("--source", f"benchmark/{days}/footprint", "--create", "leo", "--json")
    before_s = usage_of(platform).cpu_s
    begin = time.monotonic()
    # A program that starts another and says what it used, so that the children of this one do not count.
    done = _sightline(url, "ephemeris", "import", str(file), *source, measured=True)
    wall_s = time.monotonic() - begin
    cpu_s, peak_kib = map(float, done.stderr.split()[-2:])
    found_s = time.monotonic()
    last = (_START + timedelta(days=days - 1)).strftime("%Y-%m-%d")
    day = ("--start", f"{last}T00:00:00", "--end", f"{last}T23:59:00", "--source", source[1].rpartition("/")[0])
    rows = len(_sightline(url, "search", "ephemeris", *day, "--csv").stdout.splitlines()) - 1
    return {
        "records": json.loads(done.stdout)["records"],
        "file_mib": round(file.stat().st_size / _KIB**2, 1),
        "wall_s": round(wall_s, 2),
        "client_cpu_s": round(cpu_s, 2),
        "platform_cpu_s": round(usage_of(platform).cpu_s - before_s, 2),
        "client_peak_mib": round(peak_kib / _KIB),
        "rows_of_the_last_day_found": rows,
        "search_of_that_day_s": round(time.monotonic() - found_s, 2),
    }


_MEASURED = """
import os, resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "sightline", *sys.argv[1:]]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def _sightline(url: str, *arguments: str, measured: bool = False) -> "subprocess.CompletedProcess[str]":
    program = ["-c", _MEASURED] if measured else ["-m", "sightline"]
    environment = {**os.environ, "SIGHTLINE_URL": url}
    command = [sys.executable, *program, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)


def _write(path: Path, days: int) -> None:
    """Write a low orbit with four places a minute and two values of one key."""
    with path.open("w", encoding="utf-8") as file:
        columns = [f"{place}_{axis}" for place in _PLACES for axis in ("lat", "lon")]
        file.write(f"{_HEAD}epoch,{','.join(columns)},metadata.state\n")
        for minute in range(days * 1440):
            lat, lon = 80 * math.sin(2 * math.pi * minute / 95.3), minute * 3.5 % 360 - 180
            places = ((lat, lon), (lat / 2, lon), (60 + lat / 8, lon), (-60 + lat / 8, lon))
            angles = ",".join(f"{angle:.6f}" for place in places for angle in place)
            state = "definitive" if minute % 2880 < 2000 else "predictive"
            file.write(f"{(_START + timedelta(minutes=minute)):%Y-%m-%dT%H:%M:%S},{angles},{state}\n")


if __name__ == "__main__":
    sys.exit(main())
