"""Tracks: where each source was, minute by minute, and the span of time that is worked at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.search.engine.sphere import Floats, interpolate, wrap_longitude

Integers = NDArray[np.int64]

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Span:
    """Time from `start_s` until before `stop_s`, in seconds since 1970."""

    start_s: int
    stop_s: int

    def parts(self, length_s: int) -> Iterator["Span"]:
        """Cut it into parts; the last one may be shorter."""
        for start_s in range(self.start_s, self.stop_s, length_s):
            yield Span(start_s, min(start_s + length_s, self.stop_s))

    def minutes(self) -> tuple[int, int]:
        """Return the first minute and the one behind the last whose records a search of the span may need.

        They reach beyond the span: places between two minutes are interpolated from both, also across its ends.
        """
        return self.start_s // MINUTE_S, -(-self.stop_s // MINUTE_S) + 1

    def ticks(self, precision_s: int) -> tuple[int, int]:
        """Return the first multiple of the precision in the span and the first one behind it, both divided by it."""
        return -(-self.start_s // precision_s), -(-self.stop_s // precision_s)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The places of one source in degrees, at `ticks`: times divided by the precision, ascending.

    One place stands for all times when the source does not move. No ticks: it is there at all times.
    """

    source: int
    ticks: Integers | None
    lat: Floats
    lon: Floats

    @classmethod
    def of(cls, source: int, minutes: Integers, lat: Floats, lon: Floats) -> Self:
        """Return the track of a source with a record in each of `minutes`, ascending; NaN is no place.

        Args:
            source: its identifier.
            minutes: since 1970.
            lat: in degrees, as many as minutes, or one that stands for all.
            lon: likewise.
        """
        known = ~(np.isnan(lat) | np.isnan(lon))
        if lat.size == 1:
            minutes = minutes if known[0] else minutes[:0]
        elif not known.all():
            minutes, lat, lon = minutes[known], lat[known], lon[known]
        if lat.size > 1 and (lat == lat[0]).all() and (lon == lon[0]).all():
            lat, lon = lat[:1], lon[:1]
        return cls(source, minutes, lat, wrap_longitude(lon))

    @classmethod
    def fixed(cls, source: int, lat: float, lon: float) -> Self:
        """Return the track of a place that is there at all times."""
        return cls(source, None, np.array([lat]), wrap_longitude(np.array([lon])))

    @property
    def moves(self) -> bool:
        """False when one place stands for all times."""
        return self.lat.size > 1

    def at_precision(self, precision_s: int) -> "Track":
        """Return the track with places between consecutive minutes added, along the great circle.

        The precision divides a minute; the track's own ticks are minutes.
        """
        steps = MINUTE_S // precision_s
        if steps == 1 or self.ticks is None:
            return self
        consecutive = np.zeros(self.ticks.size, bool)
        consecutive[:-1] = np.diff(self.ticks) == 1
        ticks = self.ticks[:, None] * steps + np.arange(steps)
        kept = np.repeat(consecutive[:, None], steps, axis=1)
        kept[:, 0] = True
        if not self.moves:
            return replace(self, ticks=ticks[kept])
        lat, lon = np.full(ticks.shape, np.nan), np.full(ticks.shape, np.nan)
        lat[:, 0], lon[:, 0] = self.lat, self.lon
        ends = (self.lat[:-1], self.lon[:-1], self.lat[1:], self.lon[1:])
        for step in range(1, steps):
            lat[:-1, step], lon[:-1, step] = interpolate(*ends, step / steps)
        kept &= ~np.isnan(lat)
        return replace(self, ticks=ticks[kept], lat=lat[kept], lon=wrap_longitude(lon[kept]))
