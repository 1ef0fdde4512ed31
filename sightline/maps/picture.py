"""The map of a conjunction search: sites, where spacecraft were when they were closest, and how near that was."""

import math
from collections.abc import Sequence
from pathlib import Path

from sightline.maps import legend
from sightline.maps.colors import FAINT, NET, NET_WORDS, PAPER, SITE, SITE_WORDS, SKY, color_of
from sightline.maps.labels import Labels
from sightline.maps.marks import mark
from sightline.maps.meetings import Story
from sightline.maps.projection import Place, Projection
from sightline.maps.sheet import Point, Sheet

_WIDTH, _HEIGHT = 1120, 770
_MIDDLE: Point = (395.0, 385.0)
_RADIUS = 345.0
_LEGEND: Point = (800.0, 44.0)
_STEPS_DEG = (1, 2, 5, 10, 15, 30)
_NET_LINES = 5
"""About so many lines of the graticule from the middle to the edge."""
_PER_DEGREE = 12
_FEW, _MANY = 60, 2000
"""Meetings with the largest and the smallest dots."""


def draw(story: Story, path: Path) -> None:
    """Write the map as a PNG file."""
    sheet = Sheet(_WIDTH, _HEIGHT, PAPER)
    farthest_km = legend.round_km(max((meeting.distance_km for meeting in story.meetings), default=0.0))
    projection = Projection.of(story.places or [Place(90, 0)])
    board = _Map(sheet, projection)
    board.net()
    board.meetings(story, farthest_km)
    board.sites(story)
    legend.draw(sheet, _LEGEND, story, farthest_km)
    sheet.save(path)


class _Map:
    def __init__(self, sheet: Sheet, projection: Projection) -> None:
        self._sheet = sheet
        self._projection = projection
        self._labels = Labels(sheet, _MIDDLE, _RADIUS)

    def net(self) -> None:
        """Draw the disc with its graticule."""
        self._sheet.disc(_MIDDLE, _RADIUS, SKY)
        centre, radius_deg = self._projection.centre, self._projection.radius_deg
        step = _step_deg(radius_deg / _NET_LINES)
        is_polar = abs(centre.lat) + radius_deg > 80
        along = 30 if is_polar else _step_deg(radius_deg / _NET_LINES / math.cos(math.radians(centre.lat)))
        south, north = math.floor(centre.lat - radius_deg), math.ceil(centre.lat + radius_deg)
        parallels = [lat for lat in range(-90 + step, 90, step) if south <= lat <= north]
        meridians = range(-180, 180, along)
        last = 90 - step  # meridians end at the last parallel: at the pole they would run into each other
        for lat in parallels:
            self._curve([Place(lat, lon) for lon in _along(-180, 180)])
        for lon in meridians:
            self._curve([Place(lat, lon) for lat in _along(max(south, -last), min(north, last))])
        for lat in parallels:
            self._named(Place(lat, centre.lon + along / 2), _angle(lat, "N", "S"))
        for lon in meridians:
            self._named_at_the_edge(lon)

    def meetings(self, story: Story, farthest_km: float) -> None:
        """Draw each meeting, the nearest last: a line between the places, and a mark where a spacecraft was."""
        kinds = {name: number for number, (name, _) in enumerate(story.moving)}
        share = min(1.0, max(0.0, (len(story.meetings) - _FEW) / (_MANY - _FEW)))
        size, opacity = 4.6 - 2.6 * share, 0.5 - 0.4 * share
        for meeting in story.meetings:
            color = color_of(meeting.distance_km / farthest_km)
            (_, first), *others = meeting.bodies
            for _, place in others:
                self._curve(_between(first, place), color, opacity=opacity)
        for meeting in story.meetings:
            color = color_of(meeting.distance_km / farthest_km)
            for body, place in meeting.bodies:
                point = self._point(place)
                if body.moves and point is not None:
                    mark(self._sheet, kinds[body.name], point, size, color)

    def sites(self, story: Story) -> None:
        """Draw each body that stays once, with its name where there is room."""
        found = {body.name: place for meeting in story.meetings for body, place in meeting.bodies if not body.moves}
        points = {name: point for name, place in sorted(found.items()) if (point := self._point(place)) is not None}
        for x, y in points.values():
            self._sheet.shape([(x - 5, y + 4), (x, y - 5), (x + 5, y + 4)], SITE, edge=SKY)
            self._labels.take((x - 5, y - 5, x + 5, y + 5))
        for name, point in points.items():
            self._labels.write(point, name, color=SITE_WORDS)

    def _curve(self, places: Sequence[Place], color: str = NET, *, opacity: float = 1.0) -> None:
        """Draw a line through places, without what lies beyond the edge."""
        stretch: list[Point] = []
        for point in [*map(self._point, places), None]:
            if point is not None:
                stretch.append(point)
                continue
            if len(stretch) > 1:
                self._sheet.line(stretch, color, width=0.7, opacity=opacity)
            stretch = []

    def _point(self, place: Place) -> Point | None:
        point = self._projection.point(place)
        return None if point is None else (_MIDDLE[0] + _RADIUS * point[0], _MIDDLE[1] + _RADIUS * point[1])

    def _named(self, place: Place, words: str) -> None:
        point = self._point(place)
        if point is not None:
            self._labels.write_at(point, words, color=NET_WORDS)

    def _named_at_the_edge(self, lon: int) -> None:
        """Write a meridian's name outside the disc, where it crosses the edge."""
        points = (self._projection.point(Place(lat, lon)) for lat in _along(-85, 85))
        lengths = {math.hypot(*point): point for point in points if point is not None}
        length = max(lengths, default=0.0)
        if length < 0.98:  # it does not cross the edge
            return
        x, y = lengths[length]
        at = (_MIDDLE[0] + x / length * (_RADIUS + 18), _MIDDLE[1] + y / length * (_RADIUS + 12))
        self._labels.write_at(at, _angle((lon + 180) % 360 - 180, "E", "W"), color=FAINT, outside=True)


def _step_deg(about: float) -> int:
    return next((step for step in _STEPS_DEG if step >= about), _STEPS_DEG[-1])


def _along(first: int, last: int) -> Sequence[float]:
    """Return fractions of degrees: on a map of a few degrees a line must still reach the edge."""
    return [first + number / _PER_DEGREE for number in range(_PER_DEGREE * (last - first) + 1)]


def _between(one: Place, other: Place) -> Sequence[Place]:
    """Return the two places, by the shorter way round."""
    east = (other.lon - one.lon + 180) % 360 - 180
    return one, Place(other.lat, one.lon + east)


def _angle(degrees: float, positive: str, negative: str) -> str:
    sign = "" if degrees in {0, -180, 180} else positive if degrees > 0 else negative
    return f"{abs(degrees):g}°{sign}"
