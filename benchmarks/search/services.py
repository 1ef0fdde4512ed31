"""Real services on RabbitMQ and MongoDB: two workers against one, a short search behind a long one, peak memory."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import usage
from benchmarks.installation import Installation, separate
from benchmarks.search import data
from benchmarks.search.calls import Calls, calling, ended, running
from benchmarks.servers import Servers
from services.kit.store.mongo.store import MongoStore

_ROUNDS = 3
_SHORT_DAYS = 1
_SHORTS = 12
_STREAMED_DAYS = (2, 16)
_THREE_TRACES = ["nbtrace", "sbtrace", "geographic"]
_DOORS = ("result_store", "submitter", "gateway")


def measure(folder: Path, servers: Servers, days: int) -> dict[str, Any]:
    """Fill the store, then measure everything."""
    asyncio.run(_fill(servers, days))
    heavy = data.conjunction_query(days, conjunction_types=_THREE_TRACES, subminute_precision=True)
    seconds: dict[int, float] = {}
    rows: set[int] = set()
    found: dict[str, Any] = {}
    for workers in (1, 2):
        with _running(folder / str(workers), servers, workers) as opened, calling(opened) as calls:
            calls.timed("conjunctions", data.conjunction_query(_SHORT_DAYS))  # everything is loaded now
            runs = [calls.timed("conjunctions", heavy) for _ in range(_ROUNDS)]
            seconds[workers] = min(run[0] for run in runs)
            rows |= {run[2] for run in runs}
            if workers == 1:
                found["short_behind_long"] = _short_behind_long(calls, days)
                found["peak_memory_mib"] = _memory(opened, calls, days)
    if len(rows) != 1:
        raise RuntimeError(f"the same search found different numbers of rows: {sorted(rows)}")
    return {
        "workers": {
            "rows": rows.pop(),
            "seconds_of_one": round(seconds[1], 2),
            "seconds_of_two": round(seconds[2], 2),
            "two_against_one": round(seconds[2] / seconds[1], 2),
        },
        **found,
    }


def _short_behind_long(calls: Calls, days: int) -> dict[str, Any]:
    """Ask for a short search again and again while a long one runs."""
    short, long = data.conjunction_query(_SHORT_DAYS), data.conjunction_query(days)
    alone_s = [calls.timed("conjunctions", short)[0] for _ in range(_SHORTS)]
    long_s, path, _ = calls.timed("conjunctions", long)
    parts = int(_parts(calls.status(path)))
    behind_s: list[float] = []
    while len(behind_s) < _SHORTS:
        path = calls.ask("conjunctions", long)
        calls.until(path, lambda status: running(status) or ended(status))
        while len(behind_s) < _SHORTS:
            taken_s = calls.timed("conjunctions", short)[0]
            if ended(calls.status(path)):
                break  # it may not have been behind anything
            behind_s.append(taken_s)
        calls.until(path, ended)
    alone, part = statistics.median(alone_s), long_s / parts
    return {
        "alone_ms": round(alone * 1000, 1),
        "part_ms": round(part * 1000, 1),
        "behind_ms": round(statistics.median(behind_s) * 1000, 1),
        "behind_longest_ms": round(max(behind_s) * 1000, 1),
        "allowed_ms": round((1.5 * alone + part) * 1000, 1),
        "against_allowed": round(statistics.median(behind_s) / (1.5 * alone + part), 2),
    }


def _memory(opened: Installation, calls: Calls, days: int) -> dict[str, Any]:
    """Peaks of the worker over the span, and of the gateway over the size of what it streams."""
    worker, gateway = (
        next(process.pid for process in opened.processes if process.service == name) for name in ("search", "gateway")
    )
    spans, streamed = {}, {}
    for length in (days // 12, days // 4, days):
        usage.forget_peak(worker)
        calls.timed("conjunctions", data.conjunction_query(length))
        spans[f"{length} days"] = round(usage.usage_of(worker).own_peak_bytes / 2**20)
    for length in _STREAMED_DAYS:
        _, path, _ = calls.timed("ephemeris", data.ephemeris_query(min(days, length)))
        usage.forget_peak(gateway)
        size = calls.stream(path)
        streamed[f"{size / 1e6:.0f} MB"] = round(usage.usage_of(gateway).own_peak_bytes / 2**20)
    return {"worker_by_span": spans, "gateway_by_result": streamed}


def _parts(status: dict[str, Any]) -> str:
    """Return how many parts the search was worked in, as its log says."""
    (line,) = (each["summary"] for each in status["logs"] if "is worked in" in each["summary"])
    return str(line).split()[-2]


async def _fill(servers: Servers, days: int) -> None:
    async with MongoStore(servers.store) as store:
        await data.fill(store, days)


@contextmanager
def _running(folder: Path, servers: Servers, workers: int) -> Iterator[Installation]:
    settings = {
        "SIGHTLINE_ANONYMOUS_TENANT": data.TENANT,
        # As docs/settings.md says: nobody waits while the planner hears of the end of another part.
        "SIGHTLINE_SEARCH_PARTS_AT_ONCE": str(2 * workers),
    }
    names = (*_DOORS[:1], *["search"] * workers, *_DOORS[1:])
    with separate(folder, bus=servers.bus, store=servers.store, services=names, settings=settings) as opened:
        yield opened
