"""The tables of docs/search.md, written between two marks from the results; the prose around them is ours."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import put_between

BEGIN = "<!-- figures: begin (written by `python -m benchmarks.search`) -->"
_WORK = {
    "haversine": "NumPy haversine of every pair, compared with the limit",
    "pair_test": "pair test: positions to hits with their exact distances",
    "tracks_to_rows": "`find`: positions to rows",
    "store_to_rows": "whole search: stored columns to joined rows, in parts of 14 days",
    "store_to_rows_as_objects": "the same, every row as an object",
    "store_to_stored_json": "all that workers do: the rows as JSON, compressed, in the store",
}
_COSTS = {
    "half_the_span": "half the span",
    "a_quarter_of_the_span": "a quarter of the span",
    "half_the_sites": "half the sites",
    "a_quarter_of_the_sites": "a quarter of the sites",
    "half_the_spacecraft": "half the spacecraft",
}


def write(path: Path, results: Mapping[str, Any]) -> None:
    """Replace the tables of the document."""
    put_between(path, BEGIN, "\n".join(_lines(results)))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    machine, engine, services = results["machine"], results["engine"], results["services"]
    yield (
        f"Measured {results['made_at']} on {machine['processors']} processors ({machine['processor']}), Python "
        f"{machine['python']}, NumPy {machine['packages']['numpy']}; load before the run {machine['load_before']}."
    )
    yield f"{results['days']} days, {engine['pair_minutes']:,} pair-minutes, {engine['rows']:,} rows.\n"
    cpu_s, times = engine["cpu_s"], {"haversine": 1, **engine["times_haversine"]}
    yield from _table(
        ("one thread, embedded store", "processor s", "times the haversine"),
        [(words, cpu_s[name], times[name]) for name, words in _WORK.items()],
    )
    costs = engine["cost_against_whole"]
    yield from _table(("`find`", "cost against the whole"), [(words, costs[name]) for name, words in _COSTS.items()])
    workers, short, memory = services["workers"], services["short_behind_long"], services["peak_memory_mib"]
    yield from _table(
        ("separate services on RabbitMQ and MongoDB", "figure"),
        [
            ("one worker, three traces, every 30 s: seconds", workers["seconds_of_one"]),
            ("two workers: seconds", workers["seconds_of_two"]),
            ("two against one", workers["two_against_one"]),
            ("a search of one day alone: ms, median", short["alone_ms"]),
            ("one part of the long search: ms", short["part_ms"]),
            ("the short one behind the long one: ms, median (longest)", _median_longest(short)),
            ("against 1.5 times alone plus one part", short["against_allowed"]),
            *((f"peak of the worker, {span}: MiB", peak) for span, peak in memory["worker_by_span"].items()),
            *(
                (f"peak of the gateway, {size} of rows: MiB", peak)
                for size, peak in memory["gateway_by_result"].items()
            ),
        ],
    )


def _median_longest(short: Mapping[str, Any]) -> str:
    return f"{short['behind_ms']} ({short['behind_longest_ms']})"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""
