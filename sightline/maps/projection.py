"""A map of a part of the Earth: Lambert's azimuthal equal-area projection round the middle of what is shown."""

import math
from collections.abc import Sequence
from typing import NamedTuple

_LEAST_DEG, _MOST_DEG, _MARGIN = 4.0, 178.0, 1.1
_STEPS = 200


class Place(NamedTuple):
    """A point on the Earth, in degrees."""

    lat: float
    lon: float


class Projection:
    """Maps places to points of a disc: (0, 0) is its middle, north is up, its edge is 1 from the middle."""

    def __init__(self, centre: Place, radius_deg: float) -> None:
        self.centre = centre
        self.radius_deg = min(max(radius_deg, _LEAST_DEG), _MOST_DEG)
        self._scale = 2 * math.sin(math.radians(self.radius_deg) / 2)
        self._sin, self._cos = math.sin(math.radians(centre.lat)), math.cos(math.radians(centre.lat))

    @classmethod
    def of(cls, places: Sequence[Place]) -> "Projection":
        """Return the map that holds all of the places, of which there is at least one."""
        centre = _middle(places)
        return cls(centre, _MARGIN * max(angle_deg(centre, place) for place in places))

    def point(self, place: Place) -> tuple[float, float] | None:
        """Return the point of a place, None when it lies beyond the edge."""
        if angle_deg(self.centre, place) > self.radius_deg + 1e-9:
            return None
        lat, east = math.radians(place.lat), math.radians(place.lon - self.centre.lon)
        cos_angle = self._sin * math.sin(lat) + self._cos * math.cos(lat) * math.cos(east)
        stretch = math.sqrt(2 / max(1e-12, 1 + cos_angle)) / self._scale
        x = math.cos(lat) * math.sin(east)
        y = self._cos * math.sin(lat) - self._sin * math.cos(lat) * math.cos(east)
        return x * stretch, -y * stretch


def angle_deg(one: Place, other: Place) -> float:
    """Return the angle between two places."""
    a, b = _vector(one), _vector(other)
    cross = math.hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return math.degrees(math.atan2(cross, sum(p * q for p, q in zip(a, b, strict=True))))


def _middle(places: Sequence[Place]) -> Place:
    """Return about the middle of the smallest circle round the places.

    From anywhere a step towards the farthest place, each time a smaller one (Badoiu and Clarkson's algorithm).
    """
    vectors = {_vector(Place(round(place.lat), round(place.lon))) for place in places}
    x, y, z = next(iter(vectors))
    for step in range(2, _STEPS):
        # Of points on a sphere round the middle, the farthest has the least product with it.
        far = min(vectors, key=lambda vector: vector[0] * x + vector[1] * y + vector[2] * z)
        x, y, z = (a + (b - a) / step for a, b in zip((x, y, z), far, strict=True))
    return Place(math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)))


def _vector(place: Place) -> tuple[float, float, float]:
    lat, lon = math.radians(place.lat), math.radians(place.lon)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
