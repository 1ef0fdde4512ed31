"""The figures of growth as tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.markdown import section, table


def sections(growth: Mapping[str, Any]) -> Iterator[str]:
    """Yield the picture, and a section for each part that was measured."""
    if growth:
        yield section("Growth", "![What was measured, over what there was more of](growth.png)\n")
    if "waiting" in growth:
        rows = [(p["waiting"], p["submit_ms"], p["lookup_ms"], f"{p['answers_per_s']:.0f}") for p in growth["waiting"]]
        head = ("queries waiting", "submit, ms", "lookup, ms", "answers/s when the worker goes on")
        yield section("Queries that wait, small model", table(head, rows))
    if "sizes" in growth:
        yield section("Sizes of images, small model, over HTTP", _sizes(growth["sizes"]))
    if "detectors" in growth:
        detector_rows = [
            (point["detectors"], room, f"{point['answers_per_s']:.0f}", f"{point['worker_mb']:.0f}")
            for room, points in growth["detectors"].items()
            for point in points
        ]
        head = ("detectors", "models' memory", "answers/s", "worker, MB")
        yield section("Detectors on one worker, each with its own small model", table(head, detector_rows))
    if "workers" in growth:
        worker_rows = [
            (model, p["workers"], f"{p['answers_per_s']:.0f} ({', '.join(f'{run:.0f}' for run in p['runs'])})")
            for model, points in growth["workers"].items()
            for p in points
        ]
        yield section("Workers, each on one processor", table(("model", "workers", "answers/s"), worker_rows))
    if "memory" in growth:
        names = tuple(growth["memory"][0]["resident_mb"])
        rows = [(point["queries"], *(_held(point, name) for name in names)) for point in growth["memory"]]
        title = (
            "Memory after many queries, MB, children included (in brackets: shared pages divided among who shares them)"
        )
        yield section(title, table(("queries", *names), rows))


def _held(point: Mapping[str, Any], name: str) -> str:
    resident, proportional = point["resident_mb"][name], point.get("proportional_mb", {}).get(name)
    return f"{resident:.0f}" if proportional is None else f"{resident:.0f} ({proportional:.0f})"


def _sizes(points: list[dict[str, Any]]) -> str:
    names = tuple(points[0]["peak_mb"])
    rows = [
        (
            f"{p['bytes'] // 1000} kB",
            f"{p['answers_per_s']:.0f}",
            p["cpu_ms_per_query"],
            p["answered_ms"],
            *(f"{p['peak_mb'][name]:.0f}" for name in names),
        )
        for p in points
    ]
    head = ("image", "answers/s", "processor ms per query", "one at a time, ms")
    return table((*head, *(f"{name}, MB" for name in names)), rows)
