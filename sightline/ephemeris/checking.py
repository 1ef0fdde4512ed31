"""The rules that every minute of ephemeris must keep, whatever it was made of, and what the whole of it looks like."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from contracts.http.ephemeris import (
    FIRST_YEAR,
    LAST_YEAR,
    LEAST_LATITUDE,
    LEAST_LONGITUDE,
    MOST_LATITUDE,
    MOST_LONGITUDE,
    Place,
)
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.stretch import Floats, Mask, Stretch
from sightline.ephemeris.summary import EPOCH, Summary, time_of

MOST_STEP_DEGREES = 10.0
"""How far a place may move in a minute: a low orbit makes 4 degrees."""
_FIRST_MINUTE = int((datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) // 60
_LAST_MINUTE = int((datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) // 60 - 1
_RADIANS_ROWS = 100


class Checker:
    """Checks stretches as they go by; the whole of them is right when all have gone."""

    def __init__(self, file: str, *, unit: str = "line", most_step: float = MOST_STEP_DEGREES) -> None:
        self.summary = Summary()
        self._file = file
        self._unit = unit
        self._most_step = most_step
        self._last: Stretch | None = None
        self._conventions: dict[Place, tuple[bool, bool]] = {}

    def checked(self, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
        """Return the stretches as they are stored: no minute twice, longitudes from -180 to 180.

        Raises:
            BadData: with the first line that breaks a rule.
        """
        for stretch in stretches:
            if len(stretch):
                good = self._check(stretch)
                if len(good):
                    self.summary.note(good)
                    self._last = good.part(slice(len(good) - 1, len(good)))
                    yield good
        if not self.summary.rows:
            raise BadData(self._file, "it holds no records")
        self._check_unit()

    def _check(self, stretch: Stretch) -> Stretch:
        self._check_span(stretch)
        places = {place: self._checked_place(stretch, place, values) for place, values in stretch.places.items()}
        stretch = Stretch(stretch.minutes, places, stretch.texts, stretch.lines)
        stretch = self._in_order(stretch)
        if "location_geo" in places and len(stretch):
            self._check_step(stretch)
        return stretch

    def _check_span(self, stretch: Stretch) -> None:
        outside = (stretch.minutes < _FIRST_MINUTE) | (stretch.minutes > _LAST_MINUTE)
        if outside.any():
            raise self._bad(stretch, outside, "epoch", f"a time of the years {FIRST_YEAR} to {LAST_YEAR} is needed")

    def _checked_place(self, stretch: Stretch, place: Place, values: Floats) -> Floats:
        lat, lon = values[:, 0], values[:, 1]
        half = np.isnan(lat) != np.isnan(lon)
        if half.any():
            raise self._bad(stretch, half, place, "latitude and longitude are both there, or neither is")
        for axis, column, least, most in (
            ("lat", lat, LEAST_LATITUDE, MOST_LATITUDE),
            ("lon", lon, LEAST_LONGITUDE, MOST_LONGITUDE),
        ):
            outside = (column < least) | (column > most)
            if outside.any():
                found = column[np.flatnonzero(outside)[0]]
                rule = f"{found:g} is not from {least:g} to {most:g} degrees"
                raise self._bad(stretch, outside, f"{place}_{axis}", rule)
        if place == "location_geo" and np.isnan(lat).any():
            raise self._bad(stretch, np.isnan(lat), place, "a record needs a position")
        self._check_convention(stretch, place, lon)
        return np.column_stack([lat, np.where(lon > 180.0, lon - 360.0, lon)])

    def _check_convention(self, stretch: Stretch, place: Place, lon: Floats) -> None:
        west, east = self._conventions.get(place, (False, False))
        seen_west = np.logical_or.accumulate(lon < 0.0) | west
        seen_east = np.logical_or.accumulate(lon > 180.0) | east
        self._conventions[place] = bool(seen_west[-1]), bool(seen_east[-1])
        if (seen_west & seen_east).any():
            rule = "longitudes are from -180 to 180 or from 0 to 360, not both in one file"
            raise self._bad(stretch, seen_west & seen_east, f"{place}_lon", rule)

    def _in_order(self, stretch: Stretch) -> Stretch:
        """Return the stretch without the rows that say what the row before said."""
        joined = stretch if self._last is None else _joined(self._last, stretch)
        steps = np.diff(joined.minutes)
        if (steps < 0).any():
            raise self._bad(joined, _after(steps < 0), "epoch", "times must ascend, and this one is before the last")
        again = _after(steps == 0)
        if not again.any():
            return stretch
        other = again & ~_same_as_before(joined)
        if other.any():
            raise self._bad(joined, other, "epoch", "this minute is there twice, with other values")
        again = again[len(joined) - len(stretch) :]
        self.summary.repeated += int(again.sum())
        return stretch.part(~again)

    def _check_step(self, stretch: Stretch) -> None:
        joined = stretch if self._last is None else _joined(self._last, stretch)
        units = _unit_vectors(joined.places["location_geo"])
        cosines = np.clip((units[1:] * units[:-1]).sum(axis=1), -1.0, 1.0)
        far = (np.degrees(np.arccos(cosines)) > self._most_step) & (np.diff(joined.minutes) == 1)
        if far.any():
            rule = f"the place moves more than {self._most_step:g} degrees within a minute (--max-step)"
            raise self._bad(joined, _after(far), "location_geo", rule)

    def _check_unit(self) -> None:
        """Radians that are taken for degrees look like an orbit round the Gulf of Guinea."""
        found = self.summary.ranges.get("location_geo")
        if found is None or self.summary.rows < _RADIANS_ROWS:
            return
        south, north, west, east = found
        if -np.pi / 2 <= south < -1 and 1 < north <= np.pi / 2 and -np.pi <= west < -1 and 1 < east <= np.pi:
            raise BadData(self._file, "every position looks like radians, and degrees were stated (--unit radians)")

    def _bad(self, stretch: Stretch, wrong: Mask, column: str, rule: str) -> BadData:
        at = int(np.flatnonzero(wrong)[0])
        if not len(stretch.lines):
            return BadData(self._file, f"{time_of(int(stretch.minutes[at]))}: {rule}", column=column)
        return BadData(self._file, rule, line=int(stretch.lines[at]), column=column, unit=self._unit)


def _joined(last: Stretch, stretch: Stretch) -> Stretch:
    """Return a stretch with the record before it in front."""
    texts = (*last.texts, *stretch.all_texts)
    return Stretch(
        np.concatenate([last.minutes, stretch.minutes]),
        {place: np.concatenate([last.places[place], values]) for place, values in stretch.places.items()},
        texts,
        np.concatenate([last.lines, stretch.lines]),
    )


def _after(steps: Mask) -> Mask:
    return np.concatenate([[False], steps])


def _same_as_before(stretch: Stretch) -> Mask:
    same = np.array([False, *(one == other for one, other in pairwise(stretch.all_texts))])
    for values in stretch.places.values():
        equal = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
        same &= np.concatenate([[False], equal.all(axis=1)])
    return same


def _unit_vectors(place: Floats) -> Floats:
    lat, lon = np.radians(place[:, 0]), np.radians(place[:, 1])
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
