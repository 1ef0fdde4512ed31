"""Synthetic orbits: circles round a round Earth that turns, and footprints along a dipole on its axis.

They look like those of the spacecraft whose names they borrow, and are where none of them ever was.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EARTH_RADIUS_KM = 6371.0
_TRACE_KM = 100.0
"""Height of the footprints."""
_SIDEREAL_DAY_MIN = 1436.07
_SURFACE_PERIOD_MIN = 84.35
"""Of a circle at the surface; the others by Kepler's third law."""


class Orbit(NamedTuple):
    """One spacecraft on a circle; angles in degrees."""

    identifier: int
    program: str
    platform: str
    name: str
    source_type: str
    height_km: float
    inclination: float
    node: float
    phase: float


ORBITS = (
    Orbit(3, "swarm", "swarma", "Swarm A", "leo", 450.0, 87.4, 20.0, 0.0),
    Orbit(29, "swarm", "swarmb", "Swarm B", "leo", 510.0, 88.0, 65.0, 140.0),
    Orbit(30, "swarm", "swarmc", "Swarm C", "leo", 450.0, 87.4, 21.5, 2.0),
    Orbit(33, "themis", "themisa", "THEMIS-A", "heo", 9.0 * _EARTH_RADIUS_KM, 9.0, 100.0, 30.0),
    Orbit(36, "themis", "themisd", "THEMIS-D", "heo", 9.4 * _EARTH_RADIUS_KM, 11.0, 110.0, 35.0),
    Orbit(37, "themis", "themise", "THEMIS-E", "heo", 8.7 * _EARTH_RADIUS_KM, 7.0, 95.0, 41.0),
)


def ground_track(orbit: Orbit, minutes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return latitude and longitude of the place below the spacecraft at minutes since 1970."""
    radii = 1 + orbit.height_km / _EARTH_RADIUS_KM
    angle = np.radians(orbit.phase) + 2 * np.pi * minutes / (_SURFACE_PERIOD_MIN * radii**1.5)
    tilt = np.radians(orbit.inclination)
    lat = np.degrees(np.arcsin(np.sin(tilt) * np.sin(angle)))
    along = np.degrees(np.arctan2(np.cos(tilt) * np.sin(angle), np.cos(angle)))
    lon = orbit.node + along - 360.0 * minutes / _SIDEREAL_DAY_MIN
    return lat, (lon + 180.0) % 360.0 - 180.0


def northern_trace(orbit: Orbit, lat: Floats) -> Floats:
    """Return the latitude of the northern footprint; the southern one is its mirror, both at the same longitude."""
    shrink = (_EARTH_RADIUS_KM + _TRACE_KM) / (_EARTH_RADIUS_KM + orbit.height_km)
    northern: Floats = np.degrees(np.arccos(np.sqrt(np.cos(np.radians(lat)) ** 2 * shrink)))
    return northern
