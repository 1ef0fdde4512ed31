"""The marks of spacecraft: a shape for each of the first ones, a dot for the others."""

from collections.abc import Mapping, Sequence

from sightline.maps.colors import SKY
from sightline.maps.sheet import Point, Sheet

_SHAPES: Mapping[int, Sequence[Point]] = {
    1: ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    2: ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    3: ((-1.1, -0.9), (1.1, -0.9), (0, 1.2)),
    4: ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2), (-0.4, 1.2),
        (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
    5: ((0, -1.2), (1.15, -0.35), (0.7, 1), (-0.7, 1), (-1.15, -0.35)),
}  # fmt: skip


def mark(sheet: Sheet, kind: int, at: Point, size: float, color: str, *, edge: str = SKY) -> None:
    """Draw the mark of the spacecraft of that number."""
    shape = _SHAPES.get(kind)
    if shape is None:
        sheet.disc(at, size, color, opacity=0.95, edge=edge)
        return
    sheet.shape([(at[0] + size * x, at[1] + size * y) for x, y in shape], color, opacity=0.95, edge=edge)
