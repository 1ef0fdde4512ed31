"""Geometry on the sphere that distances are measured on."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
"""Unit vectors as rows x, y, z. Single precision only ever chooses what is looked at exactly."""

EARTH_RADIUS_KM = 6371.0
HALF_ROUND_KM = math.pi * EARTH_RADIUS_KM
TOLERANCE_KM = 1e-6
"""A millimetre beyond a limit is within it, so that equal places written differently (longitude 180 and -180) are."""

_SLACK = 1e-5
"""More than single precision can be off in a cosine: each unit vector by 1.5e-6, their product by that twice."""
_SAME = 1e-9
_OPPOSITE = math.pi - 1e-6


def distance_km(lat_a: Floats, lon_a: Floats, lat_b: Floats, lon_b: Floats) -> Floats:
    """Return the great-circle distances by the haversine formula. Every distance that is reported comes from here."""
    return EARTH_RADIUS_KM * _angle(np.radians(lat_a), np.radians(lon_a), np.radians(lat_b), np.radians(lon_b))


def least_cosine(limit_km: float) -> np.float32:
    """Return the cosine below which two unit vectors are certainly further apart than the limit."""
    if limit_km >= HALF_ROUND_KM:
        return np.float32(-np.inf)
    return np.float32(math.cos((limit_km + TOLERANCE_KM) / EARTH_RADIUS_KM) - _SLACK)


def unit_vectors(lat: Floats, lon: Floats) -> Vectors:
    """Return the unit vectors of places as an array of three rows."""
    # Rounded after the product: a longitude in degrees would lose twice as much.
    lat_rad, lon_rad = np.radians(lat).astype(np.float32), np.radians(lon).astype(np.float32)
    vectors = np.empty((3, lat.size), np.float32)
    level = np.cos(lat_rad)
    np.multiply(level, np.cos(lon_rad), out=vectors[0])
    np.multiply(level, np.sin(lon_rad), out=vectors[1])
    np.sin(lat_rad, out=vectors[2])
    return vectors


def wrap_longitude(lon: Floats) -> Floats:
    """Return the longitudes from -180 until before 180; those that are there already stay as they are."""
    if not lon.size or (lon.min() >= -180.0 and lon.max() < 180.0):
        return lon
    return lon - 360.0 * np.floor((lon + 180.0) / 360.0)


def interpolate(lat_a: Floats, lon_a: Floats, lat_b: Floats, lon_b: Floats, fraction: float) -> tuple[Floats, Floats]:
    """Return the places at a fraction of the way along the great circle from a to b; NaN between opposite ones."""
    radians = [np.radians(degrees) for degrees in (lat_a, lon_a, lat_b, lon_b)]
    angle = _angle(*radians)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight_a, weight_b = np.sin((1 - fraction) * angle) / np.sin(angle), np.sin(fraction * angle) / np.sin(angle)
    near = angle < _SAME
    weight_a, weight_b = np.where(near, 1 - fraction, weight_a), np.where(near, fraction, weight_b)
    x, y, z = weight_a * _exact_vectors(*radians[:2]) + weight_b * _exact_vectors(*radians[2:])
    lat, lon = np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))
    lat, lon = np.where(angle == 0, lat_a, lat), np.where(angle == 0, lon_a, lon)
    return np.where(angle > _OPPOSITE, np.nan, lat), np.where(angle > _OPPOSITE, np.nan, lon)


def _angle(lat_a: Floats, lon_a: Floats, lat_b: Floats, lon_b: Floats) -> Floats:
    across = np.sin((lat_b - lat_a) / 2) ** 2
    along = np.sin((lon_b - lon_a) / 2) ** 2
    half = np.sqrt(across + np.cos(lat_a) * np.cos(lat_b) * along)
    angle: Floats = 2 * np.arcsin(np.minimum(half, 1.0))
    return angle


def _exact_vectors(lat: Floats, lon: Floats) -> Floats:
    level = np.cos(lat)
    return np.stack((level * np.cos(lon), level * np.sin(lon), np.sin(lat)))
