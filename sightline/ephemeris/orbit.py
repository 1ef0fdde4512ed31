"""Minutes of a spacecraft on the orbit of its elements, with the ends of its field line."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from contracts.http.ephemeris import DAY_MINUTES, Place
from sightline.ephemeris.elements import ElementSet, why
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.footprints import FieldModel, traced
from sightline.ephemeris.frames import to_sphere
from sightline.ephemeris.stretch import Floats, Stretch
from sightline.ephemeris.summary import time_of

MOST_AGE_DAYS = 30.0
"""Elements are good for a week or two; at a month a low orbit is off by hundreds of kilometres."""
TEXT = '{"synthetic":true}'
_JULIAN_1970 = 2440587.5
_DAY_S = 86400.0


def stretches(
    sets: Sequence[ElementSet],
    first_minute: int,
    until_minute: int,
    *,
    file: str,
    field: FieldModel | None,
    most_age_days: float = MOST_AGE_DAYS,
) -> Iterator[Stretch]:
    """Return every minute of the span, day by day; each by the set whose epoch is nearest.

    The place is geocentric, as SSCWeb has it. Without a field model there are no footprints and no GSM.

    Raises:
        BadData: no elements are recent enough, or the spacecraft decays.
    """
    for first in range(first_minute - first_minute % DAY_MINUTES, until_minute, DAY_MINUTES):
        minutes = np.arange(max(first, first_minute), min(first + DAY_MINUTES, until_minute))
        vectors = positions_km(sets, minutes.astype(np.float64) * 60.0, file=file, most_age_days=most_age_days)
        places: dict[Place, Floats] = {"location_geo": to_sphere(vectors)}
        if field is not None:
            places |= traced(vectors, minutes, field)
        yield Stretch(minutes, places, (TEXT,))


def positions_km(sets: Sequence[ElementSet], times_s: Floats, *, file: str, most_age_days: float) -> Floats:
    """Return vectors from the Earth's centre, turning with it, in kilometres; one row per time (seconds since 1970).

    Raises:
        BadData: as `stretches`.
    """
    epochs = np.array([one.epoch_s for one in sets])
    nearest = np.abs(times_s[:, None] - epochs[None, :]).argmin(axis=1)
    age_days = np.abs(times_s - epochs[nearest]) / _DAY_S
    if (age_days > most_age_days).any():
        at = int(np.flatnonzero(age_days > most_age_days)[0])
        when = time_of(int(times_s[at]) // 60)
        rule = f"the nearest elements are {age_days[at]:.0f} days from {when}, more than --max-age {most_age_days:g}"
        raise BadData(file, rule, line=sets[nearest[at]].line)
    found = np.empty((len(times_s), 3))
    for number in np.unique(nearest):
        of_set = nearest == number
        found[of_set] = _propagated(sets[number], times_s[of_set], file)
    return found


def _propagated(one: ElementSet, times_s: Floats, file: str) -> Floats:
    days, fractions = np.divmod(times_s / _DAY_S, 1.0)
    codes, teme, _ = one.record.sgp4_array(days + _JULIAN_1970, fractions)
    if codes.any():
        at = int(np.flatnonzero(codes)[0])
        raise BadData(file, f"{one.name} at {time_of(int(times_s[at]) // 60)}: {why(int(codes[at]))}", line=one.line)
    angle = _earth_angle(times_s)
    x, y, z = np.asarray(teme, np.float64).T
    return np.column_stack([np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x, z])


def _earth_angle(times_s: Floats) -> Floats:
    """Return the sidereal time of the frame TEME in radians, in which SGP4 works."""
    from skyfield.sgp4lib import theta_GMST1982

    scale = _timescale()
    days, fractions = np.divmod(times_s / _DAY_S, 1.0)
    ahead = scale.utc(1970, 1, 1 + days).dut1 / _DAY_S
    theta, _ = theta_GMST1982(days + _JULIAN_1970, fractions + ahead)
    return np.asarray(theta, np.float64)


@cache
def _timescale() -> Any:
    from skyfield.api import load

    return load.timescale(builtin=True)  # nothing is fetched
