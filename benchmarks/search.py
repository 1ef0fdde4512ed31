"""`python -m benchmarks.search`: the conjunction search against a straightforward NumPy haversine, as ratios.

Processor time of one thread is what counts: the machine may be busy with something else. The figures are written to
benchmarks/results/search.json; docs/search.md says what they mean.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before NumPy is imported: one thread on both sides.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks import machine, search_data
from benchmarks.folders import RESULTS
from benchmarks.search_data import FIRST_DAY, LIMIT_KM, TERMS
from services.kit.store.ephemeris import EphemerisDay
from services.kit.store.sqlite import SqliteStore
from services.search.engine.columns import columns_for, columns_of, track_of
from services.search.engine.conjunctions import Conjunctions, Pair
from services.search.engine.joining import Join, Part, join
from services.search.engine.search import find
from services.search.engine.sphere import distance_km
from services.search.engine.tracks import Span, Track
from services.search.engine.windows import first_hits, window

PART_DAYS = 14
SOURCES = search_data.SITES + search_data.SPACECRAFT
_WINDOW = 8192
_ROUNDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or with --memory search one span in this process alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--days", type=int, default=365, help="length of the whole span")
    parser.add_argument("--memory", type=Path, help="search this store in parts, print the peak memory, end")
    parser.add_argument("--output", type=Path, default=RESULTS / "search.json", help="where the figures go")
    given = parser.parse_args(arguments)
    if given.memory:
        print(json.dumps(asyncio.run(_search_in_little(given.memory, given.days))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        asyncio.run(search_data.fill(path, given.days))
        results = {"machine": machine.describe(), "days": given.days, **_measure(path, given.days)}
    given.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results["times_haversine"]))
    return 0


def _measure(path: Path, days: int) -> dict[str, Any]:
    stored = asyncio.run(_read(path, days))
    ground, space = _tracks(stored, search_data.SITES), _tracks(stored, search_data.SPACECRAFT)
    span = _span(days)
    cpu_s = _cpu_s(
        {
            "haversine": lambda: _haversine(ground, space),
            "pair_test": lambda: _pair_test(ground, space, span),
            "tracks_to_rows": lambda: find(TERMS, [ground, space], span),
            "store_to_rows_in_columns": lambda: asyncio.run(_from_store(path, days)),
            "store_to_rows_one_by_one": lambda: deque(asyncio.run(_from_store(path, days)).rows(), 0),
            "half_the_span": lambda: find(TERMS, [ground, space], _span(days // 2)),
            "a_quarter_of_the_span": lambda: find(TERMS, [ground, space], _span(days // 4)),
            "half_the_sites": lambda: find(TERMS, [ground[:12], space], span),
            "a_quarter_of_the_sites": lambda: find(TERMS, [ground[:6], space], span),
            "half_the_spacecraft": lambda: find(TERMS, [ground, space[:3]], span),
        }
    )
    whole = cpu_s["tracks_to_rows"]
    return {
        "pair_minutes": len(ground) * len(space) * days * 1440,
        "rows": len(find(TERMS, [ground, space], span)),
        "same_hits_as_haversine": _pair_test(ground, space, span) == _haversine(ground, space),
        "cpu_s": cpu_s,
        "times_haversine": {
            name: round(cpu_s["haversine"] / cpu_s[name], 1)
            for name in ("pair_test", "tracks_to_rows", "store_to_rows_in_columns", "store_to_rows_one_by_one")
        },
        "cost_against_whole": {
            name: round(cost / whole, 2) for name, cost in cpu_s.items() if name.startswith(("half", "a_quarter"))
        },
        "peak_memory_mib": {f"{length} days": _peak_mib(path, length) for length in (days // 12, days // 4, days)},
    }


def _haversine(ground: Sequence[Track], space: Sequence[Track]) -> int:
    """What one writes first: every distance of every pair, compared with the limit; count the hits."""
    return sum(
        int((distance_km(site.lat, site.lon, craft.lat, craft.lon) <= LIMIT_KM).sum())
        for site in ground
        for craft in space
    )


def _pair_test(ground: Sequence[Track], space: Sequence[Track], span: Span) -> int:
    """Where the pairs meet, with the exact distances there; count the hits."""
    first, behind = span.ticks(60)
    count = 0
    for start in range(first, behind, _WINDOW):
        stop = min(start + _WINDOW, behind)
        windows = [[found for track in block if (found := window(track, start, stop))] for block in (ground, space)]
        hits = first_hits(Pair(0, 1), windows, stop - start, LIMIT_KM, 1 << 24)
        count += hits.ticks.size if hits else 0
    return count


async def _from_store(path: Path, days: int) -> Conjunctions:
    """Search as workers do, part by part, and join."""
    return join([part async for part in _parts(path, days)], TERMS.precision_s)


async def _parts(path: Path, days: int) -> AsyncIterator[Part]:
    async with SqliteStore(path) as store:
        for span in _span(days).parts(PART_DAYS * 86_400):
            first, until = span.minutes()
            stored = await store.ephemeris.read(
                search_data.TENANT, SOURCES, first // 1440, -(-until // 1440), columns_for("nbtrace")
            )
            blocks = [_tracks(stored, search_data.SITES), _tracks(stored, search_data.SPACECRAFT)]
            yield Part(span, find(TERMS, blocks, span))


async def _read(path: Path, days: int) -> dict[int, list[EphemerisDay]]:
    async with SqliteStore(path) as store:
        return await store.ephemeris.read(
            search_data.TENANT, SOURCES, FIRST_DAY, FIRST_DAY + days, columns_for("nbtrace")
        )


def _tracks(stored: dict[int, list[EphemerisDay]], sources: Sequence[int]) -> list[Track]:
    return [track_of(columns_of(source, stored[source], 0, 2**40), "nbtrace") for source in sources]


async def _search_in_little(path: Path, days: int) -> dict[str, Any]:
    """Search with the rows of parts on disk, and join them from there; say how much memory it took."""
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        files: list[tuple[Span, Path]] = []
        async for span, rows in _parts(path, days):
            files.append((span, Path(folder) / f"{len(files)}.npz"))
            search_data.save(files[-1][1], rows)
        joining = Join(TERMS.precision_s)
        for span, file in files:
            joining.learn(Part(span, search_data.restore(file)))
        for span, file in files:
            count += len(joining.emit(Part(span, search_data.restore(file))))
    return {"rows": count, "peak_mib": _own_peak_mib()}


def _peak_mib(path: Path, days: int) -> int:
    command = [sys.executable, "-m", "benchmarks.search", "--memory", str(path), "--days", str(days)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak_mib: float = json.loads(done.stdout.splitlines()[-1])["peak_mib"]
    return round(peak_mib)


def _span(days: int) -> Span:
    return Span(FIRST_DAY * 86_400, (FIRST_DAY + days) * 86_400)


def _cpu_s(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The least processor time of each, in turns: what else the machine does only ever adds to it."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(_ROUNDS):
        for name, work in works.items():
            begin = time.process_time()
            work()
            times[name].append(time.process_time() - begin)
    return {name: round(min(found), 4) for name, found in times.items()}


def _own_peak_mib() -> float:
    # getrusage would give what the process had before it became this program.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
