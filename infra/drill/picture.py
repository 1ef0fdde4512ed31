"""One picture of a drill: what was asked and what ended, what was broken when, and how much waited."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from infra.drill.faults import Injected

_SCALE = 2
_WIDTH, _LEFT, _RIGHT = 1200, 150, 40
_TOP, _GAP = 84, 46
_GRAPH, _LANE = 130, 18
_LEGEND = 78
_INK, _FAINT, _PAPER = "#1d2733", "#d9dee4", "#ffffff"
_ASKED, _ENDED, _WAITING = "#2f6fb0", "#3a9a5b", "#c9822b"
_COLORS = {
    "kill": "#c23b3b",
    "freeze": "#4a78c2",
    "stop": "#e08a8a",
    "alarm": "#a04fb5",
    "stepdown": "#4fa3a5",
    "silence": "#e0b23b",
    "delete": "#5a3a1b",
    "cut": "#d0692d",
    "facts": "#7a8794",
    "purge": "#8a5a2b",
    "unbind": "#b98a4b",
    "poison": "#6b8e23",
}
_LEAST_BAR = 3
_LANES = {
    "inference.image_queries": "workers' queue",
    "twice, late, early and wrong": "facts",
    "a model that ends its worker": "poison",
}
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is drawn; times are in seconds since the load began."""

    title: str
    verdict: str
    passed: bool
    accepted_s: Sequence[float]
    asked_s: Sequence[float]
    """When each query was made that is stored, accepted as far as its client knew or not."""
    ended_s: Sequence[float]
    injected: Sequence[Injected]


class _Sheet:
    """A drawing in points, with `until_s` seconds across."""

    def __init__(self, height: int, until_s: float) -> None:
        self.image = Image.new("RGB", (_WIDTH * _SCALE, height * _SCALE), _PAPER)
        self._draw = ImageDraw.Draw(self.image)
        self.until_s = max(until_s, 1.0)

    def x(self, at_s: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(at_s, self.until_s) / self.until_s

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float = 1.0) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=color, width=max(1, round(width * _SCALE)), joint="curve")

    def box(self, left: float, top: float, right: float, bottom: float, color: str) -> None:
        self._draw.rectangle((left * _SCALE, top * _SCALE, right * _SCALE, bottom * _SCALE), fill=color)

    def text(self, x: float, y: float, words: str, *, size: int = 12, color: str = _INK, anchor: str = "la") -> None:
        font = ImageFont.load_default(size * _SCALE)
        self._draw.text((x * _SCALE, y * _SCALE), words, fill=color, font=font, anchor=anchor)


def draw(story: Story, path: Path) -> None:
    """Write the picture as a PNG file."""
    lanes = sorted({_lane(each) for each in story.injected})
    until_s = max([1.0, *story.ended_s, *story.accepted_s, *(each.until_s for each in story.injected)])
    lanes_top = _TOP + _GRAPH + _GAP
    backlog_top = lanes_top + max(1, len(lanes)) * _LANE + _GAP
    sheet = _Sheet(backlog_top + _GRAPH + 40, until_s)
    sheet.text(_LEFT, 16, story.title, size=16)
    sheet.text(_LEFT, 42, story.verdict, size=12, color=_ENDED if story.passed else _COLORS["kill"])
    for each in story.injected:
        sheet.box(sheet.x(each.from_s), _TOP, _right(sheet, each), backlog_top + _GRAPH, "#f6f2ea")
    _rates(sheet, story)
    _faults(sheet, story.injected, lanes, lanes_top)
    _backlog(sheet, story, backlog_top)
    _seconds(sheet, backlog_top + _GRAPH)
    sheet.image.save(path)


def _rates(sheet: _Sheet, story: Story) -> None:
    asked, ended = (_per_second(times, sheet.until_s) for times in (story.accepted_s, story.ended_s))
    most = max([1, *asked, *ended])
    _frame(sheet, _TOP, "per second", most)
    for counts, color, width in ((ended, _ENDED, 1.6), (asked, _ASKED, 1.2)):
        points = [(sheet.x(at + 0.5), _TOP + _GRAPH * (1 - count / most)) for at, count in enumerate(counts)]
        if len(points) > 1:
            sheet.line(points, color, width)
    sheet.text(_WIDTH - _RIGHT - 180, _TOP - 18, "accepted", color=_ASKED)
    sheet.text(_WIDTH - _RIGHT - 90, _TOP - 18, "ended", color=_ENDED)


def _faults(sheet: _Sheet, injected: Sequence[Injected], lanes: Sequence[str], top: float) -> None:
    x: float = _LEFT
    for kind in sorted({each.fault.kind for each in injected}):
        sheet.box(x, top - 15, x + 9, top - 6, _COLORS[kind])
        sheet.text(x + 14, top - 18, kind)
        x += _LEGEND
    for at, lane in enumerate(lanes):
        middle = top + (at + 0.5) * _LANE
        sheet.line([(_LEFT, middle), (_WIDTH - _RIGHT, middle)], _FAINT, 0.5)
        sheet.text(_LEFT - 8, middle, lane, size=11, anchor="rm")
    for each in injected:
        middle = top + (lanes.index(_lane(each)) + 0.5) * _LANE
        left = sheet.x(each.from_s)
        sheet.box(left, middle - 5, _right(sheet, each), middle + 5, _COLORS[each.fault.kind])


def _backlog(sheet: _Sheet, story: Story, top: float) -> None:
    asked, ended = sorted(story.asked_s), sorted(story.ended_s)
    steps = [at / 4 for at in range(round(sheet.until_s * 4) + 1)]
    waiting = [max(0, bisect_right(asked, at) - bisect_right(ended, at)) for at in steps]
    most = max([1, *waiting])
    _frame(sheet, top, "waiting", most)
    points = [(sheet.x(at), top + _GRAPH * (1 - count / most)) for at, count in zip(steps, waiting, strict=True)]
    sheet.line(points, _WAITING, 1.6)


def _frame(sheet: _Sheet, top: float, name: str, most: int) -> None:
    for share in (0.0, 0.5, 1.0):
        y = top + _GRAPH * (1 - share)
        sheet.line([(_LEFT, y), (_WIDTH - _RIGHT, y)], _FAINT, 0.6)
        sheet.text(_LEFT - 8, y, f"{most * share:g}", size=11, anchor="rm")
    sheet.text(_LEFT, top - 18, name)


def _seconds(sheet: _Sheet, bottom: float) -> None:
    step = next((each for each in _STEPS if sheet.until_s / each <= 12), _STEPS[-1])
    at = 0
    while at <= sheet.until_s:
        sheet.text(sheet.x(at), bottom + 8, f"{at} s", size=11, anchor="ma")
        at += step


def _per_second(times: Sequence[float], until_s: float) -> list[int]:
    counts = [0] * (int(until_s) + 1)
    for at in times:
        counts[max(0, min(int(at), len(counts) - 1))] += 1
    return counts


def _lane(injected: Injected) -> str:
    fault = injected.fault
    return _LANES.get(fault.target, fault.target)


def _right(sheet: _Sheet, each: Injected) -> float:
    return max(sheet.x(each.until_s), sheet.x(each.from_s) + _LEAST_BAR)
