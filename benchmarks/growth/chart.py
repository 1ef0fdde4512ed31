"""Line charts in a grid, drawn with Pillow."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_SCALE = 2
_COLUMNS = 2
_WIDTH, _HEIGHT = 600, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 24, 62, 52
_INK, _SOFT, _FAINT, _PAPER = "#1d2733", "#5b6875", "#dde2e7", "#ffffff"
_COLORS = ("#2f6fb0", "#c9622b", "#3a9a5b", "#8a4fb0")
_DOT = 3.0
_LINES = 4


@dataclass(frozen=True, slots=True)
class Line:
    """Points that belong together, from left to right."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart. Its y axis begins at 0; `by_tens` makes steps of the x axis factors."""

    title: str
    x_name: str
    lines: Sequence[Line]
    by_tens: bool = False
    shown: Callable[[float], str] = "{:g}".format


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Write the picture as a PNG file."""
    rows = -(-len(panels) // _COLUMNS)
    image = Image.new("RGB", (_COLUMNS * _WIDTH * _SCALE, rows * _HEIGHT * _SCALE), _PAPER)
    pen = ImageDraw.Draw(image)
    for number, panel in enumerate(panels):
        _Place(pen, number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT, panel).draw()
    image.save(path, optimize=True)


class _Place:
    """A panel and where it is drawn, in points."""

    def __init__(self, pen: ImageDraw.ImageDraw, left: float, top: float, panel: Panel) -> None:
        self._pen, self._panel = pen, panel
        self._left, self._right = left + _LEFT, left + _WIDTH - _RIGHT
        self._top, self._bottom = top + _TOP, top + _HEIGHT - _BOTTOM
        self._xs = sorted({x for line in panel.lines for x, _ in line.points})
        self._most = _round_up(max((y for line in panel.lines for _, y in line.points), default=1.0))

    def draw(self) -> None:
        self._text(self._left, self._top - 48, self._panel.title, size=14)
        self._grid()
        x = self._left
        for line, color in zip(self._panel.lines, _COLORS, strict=False):
            self._curve(line, color)
            if len(self._panel.lines) > 1:
                self._box(x, self._top - 19, x + 10, self._top - 15, color)
                self._text(x + 15, self._top - 24, line.name, size=11, color=_SOFT)
                x += 30 + 6.2 * len(line.name)

    def _grid(self) -> None:
        for step in range(_LINES + 1):
            value = self._most * step / _LINES
            y = self._y(value)
            self._pen.line([self._at(self._left, y), self._at(self._right, y)], fill=_FAINT, width=_SCALE)
            self._text(self._left - 8, y, f"{value:,.4g}", size=11, color=_SOFT, anchor="rm")
        for x in self._xs:
            place = self._x(x)
            self._pen.line([self._at(place, self._bottom), self._at(place, self._bottom + 4)], fill=_SOFT, width=_SCALE)
            self._text(place, self._bottom + 8, self._panel.shown(x), size=11, color=_SOFT, anchor="ma")
        middle = (self._left + self._right) / 2
        self._text(middle, self._bottom + 27, self._panel.x_name, size=11, color=_SOFT, anchor="ma")

    def _curve(self, line: Line, color: str) -> None:
        points = [self._at(self._x(x), self._y(y)) for x, y in line.points]
        if len(points) > 1:
            self._pen.line(points, fill=color, width=2 * _SCALE, joint="curve")
        for x, y in points:
            radius = _DOT * _SCALE
            self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def _x(self, value: float) -> float:
        least, most = (self._place_of(self._xs[at]) for at in (0, -1))
        share = (self._place_of(value) - least) / (most - least) if most > least else 0.5
        return self._left + 12 + (self._right - self._left - 24) * share

    def _place_of(self, value: float) -> float:
        return math.log10(value) if self._panel.by_tens else value

    def _y(self, value: float) -> float:
        return self._bottom - (self._bottom - self._top) * value / self._most

    def _box(self, left: float, top: float, right: float, bottom: float, color: str) -> None:
        self._pen.rectangle((*self._at(left, top), *self._at(right, bottom)), fill=color)

    def _text(self, x: float, y: float, words: str, *, size: int, color: str = _INK, anchor: str = "la") -> None:
        font = ImageFont.load_default(size * _SCALE)
        self._pen.text(self._at(x, y), words, fill=color, font=font, anchor=anchor)

    @staticmethod
    def _at(x: float, y: float) -> tuple[float, float]:
        return x * _SCALE, y * _SCALE


def _round_up(value: float) -> float:
    """Return the next number that divides into four steps a person likes."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10, 12) if unit * step >= value)
