"""Times of files, in any of the usual scales, as minutes of UTC."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache

import numpy as np

from sightline.ephemeris.errors import BadData, shown
from sightline.ephemeris.statement import TimeScale
from sightline.ephemeris.stretch import Integers

_SECOND = 1_000_000
MINUTE = 60 * _SECOND
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)([T ])(\d\d):(\d\d)(?::(\d\d)(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?")
_SHAPE = str.maketrans("123456789", "000000000")
_TAI_MINUS: dict[TimeScale, int] = {"TAI": 0, "GPS": 19 * _SECOND, "TT": -32_184_000}
"""What TAI is ahead of a scale, in microseconds."""
_ROUNDING = 1_000
"""Microseconds by which a time may miss its minute: seconds since 1970 as doubles are not exact."""


class IsoTimes:
    """Reads times as text, all written in the way of the first."""

    def __init__(self, file: str, column: str, scale: TimeScale) -> None:
        self._file, self._column, self._scale = file, column, scale
        self._shape: str | None = None

    def read(self, cells: Sequence[str], lines: Integers) -> Integers:
        """Return microseconds since 1970 in the file's scale.

        Raises:
            BadData: with the first cell that is no such time.
        """
        shapes = [cell.translate(_SHAPE) for cell in cells]
        if self._shape is None:
            self._shape = shapes[0] if shapes else None
        if any(shape != self._shape for shape in shapes) or (self._shape or "")[-6:-5] in {"+", "-"}:
            return np.array([self._one(cell, int(line)) for cell, line in zip(cells, lines, strict=True)], np.int64)
        try:
            bare = [cell.removesuffix("Z") for cell in cells]
            read = np.array(bare, "datetime64[us]").astype(np.int64)
        except ValueError:
            read = None
        if read is None or not _ISO.fullmatch(cells[0] if cells else "") or self._conflict(cells):
            return np.array([self._one(cell, int(line)) for cell, line in zip(cells, lines, strict=True)], np.int64)
        return read

    def _conflict(self, cells: Sequence[str]) -> bool:
        return self._scale != "UTC" and any(cell.endswith("Z") for cell in cells)

    def _one(self, cell: str, line: int) -> int:
        match = _ISO.fullmatch(cell)
        if match is None:
            raise self._bad(line, f"{shown(cell)} is no time like 2020-01-01T00:00:00")
        if cell.translate(_SHAPE).replace("-00:00", "+00:00") != (self._shape or "").replace("-00:00", "+00:00"):
            raise self._bad(line, f"{shown(cell)} is written in another way than the times before it")
        _, _, hour, _, second, _, zone = match.groups()
        if hour == "24":
            raise self._bad(line, "24:00 is 00:00 of the next day; write it so")
        if second == "60":
            raise self._bad(line, "a leap second is in no minute of an ephemeris; leave it out")
        if zone and self._scale != "UTC":
            raise self._bad(line, f"{shown(cell)} has a zone, so it is UTC, and {self._scale} was stated")
        try:
            time = datetime.fromisoformat(cell)
        except ValueError:
            raise self._bad(line, f"{shown(cell)} is no date and time of the calendar") from None
        offset = time.utcoffset()
        micros = int(np.datetime64(time.replace(tzinfo=None), "us").astype(np.int64))
        return micros - (round(offset.total_seconds()) * _SECOND if offset else 0)

    def _bad(self, line: int, rule: str) -> BadData:
        return BadData(self._file, rule, line=line, column=self._column)


def utc_micros(micros: Integers, scale: TimeScale) -> Integers:
    """Return microseconds since 1970 in UTC; the least integer for times before 1972, when it had no leap seconds."""
    if scale == "UTC":
        return micros
    starts, offsets = _leap_seconds()
    tai = micros + _TAI_MINUS[scale]
    place = np.searchsorted(starts + offsets, tai, side="right") - 1
    return np.where(place < 0, np.iinfo(np.int64).min, tai - offsets[np.maximum(place, 0)])


def whole_minutes(micros: Integers) -> tuple[Integers, Integers]:
    """Return the nearest minutes since 1970, and by how many microseconds each was missed."""
    minutes = (micros + MINUTE // 2) // MINUTE
    off = micros - minutes * MINUTE
    return minutes, np.where(np.abs(off) <= _ROUNDING, 0, off)


@cache
def _leap_seconds() -> tuple[Integers, Integers]:
    """Return when (UTC, microseconds since 1970) TAI became how many microseconds more than UTC."""
    from skyfield.api import load

    scale = load.timescale(builtin=True)
    starts = np.rint((np.asarray(scale.leap_dates) - 2440587.5) * 86400).astype(np.int64) * _SECOND
    offsets = np.asarray(scale.leap_offsets).astype(np.int64) * _SECOND
    first = np.int64(np.datetime64("1972-01-01", "us").astype(np.int64))
    return np.concatenate([[first], starts]), np.concatenate([[10 * _SECOND], offsets])
