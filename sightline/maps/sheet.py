"""A drawing in points with smooth edges: it is made larger and shrunk at the end."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_SCALE = 3
_FINAL_SCALE = 2
"""Pixels to a point in the file, for screens of today."""

_HALO = 1.7

Point = tuple[float, float]


class Sheet:
    """Shapes and words on paper. Colours are "#rrggbb", with an opacity from 0 to 1 where one may shine through."""

    def __init__(self, width: int, height: int, paper: str) -> None:
        self._size = (width, height)
        self._image = Image.new("RGB", (width * _SCALE, height * _SCALE), paper)
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def disc(self, middle: Point, radius: float, fill: str, *, opacity: float = 1.0, edge: str | None = None) -> None:
        """Draw a filled circle, with a thin edge if one is given."""
        x, y = middle
        box = tuple(_SCALE * value for value in (x - radius, y - radius, x + radius, y + radius))
        self._draw.ellipse(box, fill=_paint(fill, opacity), outline=edge, width=round(0.8 * _SCALE))

    def shape(self, corners: Sequence[Point], fill: str, *, opacity: float = 1.0, edge: str | None = None) -> None:
        """Draw a filled polygon."""
        scaled = _scaled(corners)
        self._draw.polygon(scaled, fill=_paint(fill, opacity))
        if edge is not None:
            self._draw.line([*scaled, scaled[0]], fill=edge, width=round(0.8 * _SCALE), joint="curve")

    def line(self, points: Sequence[Point], color: str, *, width: float = 1.0, opacity: float = 1.0) -> None:
        """Draw a line through points."""
        self._draw.line(
            _scaled(points), fill=_paint(color, opacity), width=max(1, round(width * _SCALE)), joint="curve"
        )

    def text(
        self, at: Point, words: str, *, size: float = 12, color: str, anchor: str = "la", halo: str | None = None
    ) -> None:
        """Write words; `anchor` is Pillow's. A halo keeps them readable on other things."""
        self._draw.text(
            (at[0] * _SCALE, at[1] * _SCALE),
            words,
            fill=color,
            font=_font(size),
            anchor=anchor,
            stroke_width=round(_HALO * _SCALE) if halo else 0,
            stroke_fill=halo,
        )

    def box_of(self, at: Point, words: str, *, size: float, anchor: str) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of words that would be written so."""
        box = self._draw.textbbox((at[0] * _SCALE, at[1] * _SCALE), words, font=_font(size), anchor=anchor)
        left, top, right, bottom = (value / _SCALE for value in box)
        return left, top, right, bottom

    def save(self, path: Path) -> None:
        """Write the drawing as a PNG file."""
        size = (self._size[0] * _FINAL_SCALE, self._size[1] * _FINAL_SCALE)
        smooth = self._image.resize(size, Image.Resampling.LANCZOS)
        # A palette makes the file a third; without dither, which would put grain on the paper.
        smooth.quantize(256, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * _SCALE, y * _SCALE) for x, y in points]


def _paint(color: str, opacity: float) -> tuple[int, int, int, int]:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue, round(255 * opacity)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)
