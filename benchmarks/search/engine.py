"""The engine against a straightforward NumPy haversine, on one thread.

Processor time is what counts: what else the machine does only ever adds to it.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

# Before NumPy is imported: one thread on both sides.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.search import data
from benchmarks.search.data import FIRST_DAY, LIMIT_KM, SITES, SPACECRAFT, TENANT, TERMS
from contracts.http.aurorax import ConjunctionQuery
from services.kit.store.documents import QueryKey
from services.kit.store.ephemeris import EphemerisDay
from services.kit.store.sqlite import SqliteStore
from services.search.conjunctions import find_conjunctions
from services.search.engine.columns import columns_for, columns_of, track_of
from services.search.engine.conjunctions import Conjunctions, Pair
from services.search.engine.joining import Part, join
from services.search.engine.search import find
from services.search.engine.sphere import distance_km
from services.search.engine.tracks import Span, Track
from services.search.engine.windows import first_hits, window
from services.search.joining import joined_parts
from services.search.processor import Processor
from services.search.spans import cut

PART_DAYS = 14
_WINDOW = 8192
_ROUNDS = 5
_COMPARED = ("pair_test", "tracks_to_rows", "store_to_rows", "store_to_rows_as_objects", "store_to_stored_json")


def measure(path: Path, days: int) -> dict[str, Any]:
    """Return the processor time of each step on the store at `path`, and the ratios."""
    stored = asyncio.run(_read(path, days))
    ground, space = _tracks(stored, SITES), _tracks(stored, SPACECRAFT)
    span = _span(days)
    cpu_s = _cpu_s(
        {
            "haversine": lambda: _haversine(ground, space),
            "pair_test": lambda: _pair_test(ground, space, span),
            "tracks_to_rows": lambda: find(TERMS, [ground, space], span),
            "store_to_rows": lambda: asyncio.run(_from_store(path, days)),
            "store_to_rows_as_objects": lambda: deque(asyncio.run(_from_store(path, days)).rows(), 0),
            "store_to_stored_json": lambda: asyncio.run(_as_workers_do(path, days)),
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
        "times_haversine": {name: round(cpu_s["haversine"] / cpu_s[name], 1) for name in _COMPARED},
        "cost_against_whole": {
            name: round(cost / whole, 2) for name, cost in cpu_s.items() if name.startswith(("half", "a_quarter"))
        },
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
    """Search part by part, and join."""
    parts = []
    async with SqliteStore(path) as store:
        for span in _span(days).parts(PART_DAYS * 86_400):
            first, until = span.minutes()
            stored = await store.ephemeris.read(
                TENANT, (*SITES, *SPACECRAFT), first // 1440, -(-until // 1440), columns_for("nbtrace")
            )
            parts.append(Part(span, find(TERMS, [_tracks(stored, SITES), _tracks(stored, SPACECRAFT)], span)))
    return join(parts, TERMS.precision_s)


async def _as_workers_do(path: Path, days: int) -> None:
    """Everything that workers and assembler do: the rows end in the store as the client reads them, compressed."""
    query = ConjunctionQuery.model_validate(data.conjunction_query(days))
    key, spans = QueryKey(TENANT, "sr_of_the_benchmark"), cut(query.start, query.end, PART_DAYS)
    async with SqliteStore(path) as store, AsyncExitStack() as stack:
        compute = Processor(stack).of(short=False)
        for number, span in enumerate(spans, 1):
            packed = await find_conjunctions(store, compute, TENANT, query, span)
            await store.search_rows.put(key, number, packed, None)
        recorded = await store.search_rows.recorded(key)
        async for number, packed in joined_parts(store, key, query, spans, recorded):
            await store.search_rows.put(key, -number, packed, None)
        await store.search_rows.delete(key)


async def _read(path: Path, days: int) -> dict[int, list[EphemerisDay]]:
    async with SqliteStore(path) as store:
        sources = (*SITES, *SPACECRAFT)
        return await store.ephemeris.read(TENANT, sources, FIRST_DAY, FIRST_DAY + days, columns_for("nbtrace"))


def _tracks(stored: Mapping[int, list[EphemerisDay]], sources: Sequence[int]) -> list[Track]:
    return [track_of(columns_of(source, stored[source], 0, 2**40), "nbtrace") for source in sources]


def _span(days: int) -> Span:
    return Span(FIRST_DAY * 86_400, (FIRST_DAY + days) * 86_400)


def _cpu_s(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the least processor time of each, in turns."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(_ROUNDS):
        for name, work in works.items():
            begin = time.process_time()
            work()
            times[name].append(time.process_time() - begin)
    return {name: round(min(found), 4) for name, found in times.items()}
