"""Names on a map: beside what they name, and never on each other."""

from sightline.maps.colors import SKY
from sightline.maps.sheet import Point, Sheet

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_SIZE = 11.5
_GAP = 8.0
_AROUND = (("lm", 1, 0), ("rm", -1, 0), ("ms", 0, -1), ("mt", 0, 1.3), ("ls", 0.8, -0.8), ("rt", -0.8, 0.9))


class Labels:
    """Writes names on the disc of a map, and remembers what is taken."""

    def __init__(self, sheet: Sheet, middle: Point, radius: float) -> None:
        self._sheet = sheet
        self._middle = middle
        self._radius = radius
        self._taken: list[Box] = []

    def take(self, box: Box) -> None:
        """Leave a box free of names."""
        self._taken.append(box)

    def write(self, point: Point, words: str, *, color: str) -> bool:
        """Write a name on a free side of a point; say whether there was one."""
        for anchor, right, down in _AROUND:
            at = (point[0] + _GAP * right, point[1] + _GAP * down)
            box = self._sheet.box_of(at, words, size=_SIZE, anchor=anchor)
            if self._is_free(box) and self._is_inside(box):
                self._sheet.text(at, words, size=_SIZE, color=color, anchor=anchor, halo=SKY)
                self.take(box)
                return True
        return False

    def write_at(self, point: Point, words: str, *, color: str, outside: bool = False) -> None:
        """Write a name right there, if that is free."""
        box = self._sheet.box_of(point, words, size=_SIZE - 1, anchor="mm")
        if self._is_free(box) and (outside or self._is_inside(box)):
            halo = None if outside else SKY
            self._sheet.text(point, words, size=_SIZE - 1, color=color, anchor="mm", halo=halo)
            self.take(box)

    def _is_free(self, box: Box) -> bool:
        left, top, right, bottom = box
        return all(right < taken[0] or left > taken[2] or bottom < taken[1] or top > taken[3] for taken in self._taken)

    def _is_inside(self, box: Box) -> bool:
        x, y = self._middle
        corners = ((a, b) for a in (box[0], box[2]) for b in (box[1], box[3]))
        return all((a - x) ** 2 + (b - y) ** 2 < self._radius**2 for a, b in corners)
