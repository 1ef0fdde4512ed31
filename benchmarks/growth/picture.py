"""The picture of growth: one panel for each thing that there may be more of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth.chart import Line, Panel
from benchmarks.growth.chart import draw as draw_panels

Points = Sequence[Mapping[str, Any]]


def draw(growth: Mapping[str, Any], path: Path) -> None:
    """Draw what was measured."""
    panels: list[Panel] = []
    if "waiting" in growth:
        panels += _waiting(growth["waiting"])
    if "sizes" in growth:
        panels += _sizes(growth["sizes"])
    if "detectors" in growth:
        panels += _detectors(growth["detectors"])
    if "workers" in growth:
        panels.append(_workers(growth["workers"]))
    if "memory" in growth:
        panels.append(_memory(growth["memory"]))
    draw_panels(panels, path)


def _waiting(points: Points) -> list[Panel]:
    doors = [_line(name, points, "waiting", key) for name, key in (("submit", "submit_ms"), ("lookup", "lookup_ms"))]
    rate = [_line("answers/s", points, "waiting", "answers_per_s")]
    return [
        Panel(title="HTTP, milliseconds (median)", x_name="queries waiting", lines=doors, by_tens=True, shown=_short),
        Panel(title="Answers per second", x_name="queries waiting", lines=rate, by_tens=True, shown=_short),
    ]


def _sizes(points: Points) -> list[Panel]:
    times = [
        _line("one question at a time", points, "bytes", "answered_ms"),
        _line("processor time per query", points, "bytes", "cpu_ms_per_query"),
    ]
    rate = [_line("answers/s", points, "bytes", "answers_per_s")]
    return [
        Panel(title="Milliseconds", x_name="bytes of an image", lines=times, by_tens=True, shown=_short),
        Panel(title="Answers per second", x_name="bytes of an image", lines=rate, by_tens=True, shown=_short),
    ]


def _detectors(rooms: Mapping[str, Points]) -> list[Panel]:
    name = "detectors on one worker, a model each"
    rates = [_line(room, points, "detectors", "answers_per_s") for room, points in rooms.items()]
    memory = [_line(room, points, "detectors", "worker_mb") for room, points in rooms.items()]
    return [
        Panel(title="Answers per second", x_name=name, lines=rates),
        Panel(title="Memory of the worker, MB", x_name=name, lines=memory),
    ]


def _workers(models: Mapping[str, Points]) -> Panel:
    lines = [_line(model, points, "workers", "answers_per_s") for model, points in models.items()]
    return Panel(title="Answers per second", x_name="workers, each on one processor", lines=lines)


def _memory(points: Points) -> Panel:
    lines = [
        Line(name.replace("_", " "), [(point["queries"], point["resident_mb"][name]) for point in points])
        for name in points[0]["resident_mb"]
    ]
    return Panel(title="Memory, MB, children included", x_name="queries answered", lines=lines, shown=_short)


def _line(name: str, points: Points, x: str, y: str) -> Line:
    return Line(name, [(point[x], point[y]) for point in points])


def _short(value: float) -> str:
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
