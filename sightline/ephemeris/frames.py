"""Positions of any frame as geocentric latitude and longitude."""

from datetime import datetime, timedelta

import numpy as np

from sightline.ephemeris.irbem import unheard
from sightline.ephemeris.statement import Frame
from sightline.ephemeris.stretch import Floats, Integers

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - SpacePy takes UTC without a zone


def to_sphere(vectors: Floats) -> Floats:
    """Return latitude and longitude in degrees of vectors from the Earth's centre, one per row."""
    x, y, z = vectors.T
    places: Floats = np.degrees(np.column_stack([np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x)]))
    return places


def to_vectors(places: Floats) -> Floats:
    """Return unit vectors of latitudes and longitudes in degrees."""
    lat, lon = np.radians(places).T
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def turned(vectors: Floats, minutes: Floats | Integers, frame: Frame, target: Frame) -> Floats:
    """Return vectors of one frame in another; `minutes` since 1970, UTC. Needs SpacePy unless the frames are one."""
    if frame == target:
        return vectors
    from spacepy.coordinates import Coords
    from spacepy.time import Ticktock

    # IRBEM's own routines: a thousandth of the time of SpacePy's others, and within a tenth of a degree of them.
    coordinates = Coords(vectors, frame, "car", use_irbem=True)
    coordinates.ticks = Ticktock([_EPOCH + timedelta(minutes=float(minute)) for minute in minutes], "UTC")
    with unheard():
        return np.asarray(coordinates.convert(target, "car").data, np.float64)
