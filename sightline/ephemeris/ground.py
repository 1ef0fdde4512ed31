"""Minutes of a site on the ground: when it would record, and where its field line comes down again."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from contracts.http.ephemeris import DAY_MINUTES
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.frames import to_vectors
from sightline.ephemeris.sites import Site
from sightline.ephemeris.stretch import Floats, Integers, Mask, Stretch

SUN_BELOW_DEGREES = -12.0
"""Nautical night, from which on imagers of the aurora are used to run."""
Conjugate = Literal["aacgm", "igrf"]
TEXT = '{"synthetic":true}'
_AACGM_FIRST, _AACGM_LAST = 1990, 2029
_ABOVE_KM = 10.0
"""A line is followed from a little above where it ends; it finds no end from below."""
_J2000_MINUTE = 10957 * DAY_MINUTES + DAY_MINUTES // 2


def stretches(
    site: Site,
    first_minute: int,
    until_minute: int,
    *,
    sun_below: float | None = SUN_BELOW_DEGREES,
    by: Conjugate = "aacgm",
) -> Iterator[Stretch]:
    """Return the minutes at which the Sun is below `sun_below` degrees there; all minutes when that is None.

    The trace of the site's own hemisphere is the site itself, the other one its conjugate point, a new one each day,
    by AACGM or by following the field line of IGRF. Both are geodetic, as sites are published.
    """
    here = np.array([[site.lat, site.lon]])
    north = site.lat >= 0
    for first in range(first_minute - first_minute % DAY_MINUTES, until_minute, DAY_MINUTES):
        minutes = np.arange(max(first, first_minute), min(first + DAY_MINUTES, until_minute))
        if sun_below is not None:
            minutes = minutes[is_dark(site, minutes, sun_below)]
        other = np.array([CONJUGATES[by](site.lat, site.lon, datetime.fromtimestamp(first * 60, UTC))])
        placed = np.repeat(here, len(minutes), axis=0), np.repeat(other, len(minutes), axis=0)
        traces = placed if north else placed[::-1]
        yield Stretch(minutes, {"location_geo": placed[0], "nbtrace": traces[0], "sbtrace": traces[1]}, (TEXT,))


def has_dark(site: Site, first_minute: int, until_minute: int, sun_below: float | None) -> bool:
    """Say whether `stretches` has any minutes for a site."""
    days = range(first_minute, until_minute, DAY_MINUTES)
    spans = (np.arange(first, min(first + DAY_MINUTES, until_minute)) for first in days)
    return sun_below is None or any(is_dark(site, minutes, sun_below).any() for minutes in spans)


def is_dark(site: Site, minutes: Integers, sun_below: float) -> Mask:
    """Say at which minutes the Sun is lower than so many degrees above the horizon."""
    up = to_vectors(np.array([[site.lat, site.lon]]))[0]
    height = np.degrees(np.arcsin(np.clip(sun_directions(minutes) @ up, -1.0, 1.0)))
    return np.asarray(height < sun_below, np.bool_)


def sun_directions(minutes: Integers) -> Floats:
    """Return unit vectors to the Sun in GEO, by the Astronomical Almanac's low-precision formula (0.01 degrees)."""
    days = (minutes - _J2000_MINUTE) / DAY_MINUTES
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude))
    sidereal = np.radians((280.46061837 + 360.98564736629 * days) % 360.0)
    hour = ascension - sidereal
    return np.column_stack(
        [np.cos(declination) * np.cos(hour), np.cos(declination) * np.sin(hour), np.sin(declination)]
    )


def by_aacgm(lat: float, lon: float, at: datetime) -> tuple[float, float]:
    """Return where the field line of a place on the ground comes down in the other hemisphere, as AuroraX has it.

    To AACGM and back with the other sign of latitude; NaN near the equator, where AACGM is not defined.

    Raises:
        BadData: the library has no coefficients for this year.
    """
    import aacgmv2

    if not _AACGM_FIRST <= at.year <= _AACGM_LAST:
        rule = f"AACGM is there from {_AACGM_FIRST} to {_AACGM_LAST}, not for {at.year}: say --conjugate igrf"
        raise BadData("--conjugate aacgm", rule)
    at = at.replace(tzinfo=None)
    magnetic_lat, magnetic_lon, _ = aacgmv2.convert_latlon(lat, lon, 0.0, at, method_code="G2A")
    other_lat, other_lon, _ = aacgmv2.convert_latlon(-magnetic_lat, magnetic_lon, 0.0, at, method_code="A2G")
    return float(other_lat), float(other_lon)


def by_field_line(lat: float, lon: float, at: datetime) -> tuple[float, float]:
    """Return where the line of IGRF comes down that goes through the place at footprint height.

    Geodetic both, as AACGM has them, and within 0.2 degrees of it at four sites from Canada to Svalbard. SpacePy needs
    no compiler.
    """
    from sightline.ephemeris.footprints import HEIGHT_KM, FieldModel, geodetic_footprints, geodetic_vectors

    above = geodetic_vectors(np.array([[lat, lon]]), HEIGHT_KM + _ABOVE_KM)
    minute = np.array([int(at.timestamp()) // 60])
    other_lat, other_lon, _ = geodetic_footprints(above, minute, FieldModel(), "south" if lat >= 0 else "north")[0]
    return float(other_lat), float(other_lon)


CONJUGATES: Mapping[Conjugate, Callable[[float, float, datetime], tuple[float, float]]] = {
    "aacgm": by_aacgm,
    "igrf": by_field_line,
}
