"""From rows at any times to records of full minutes: others are refused, left out, or have minutes put between."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from contracts.http.ephemeris import Place
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.frames import to_sphere, to_vectors
from sightline.ephemeris.stretch import Floats, Integers, Mask, Stretch
from sightline.ephemeris.times import MINUTE, whole_minutes

OffMinute = Literal["refuse", "drop", "interpolate"]
MOST_GAP_MINUTES = 3
"""How far apart two rows may be that have a minute put between them: a low orbit makes 12 degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """Rows with their times: microseconds of UTC since 1970. The rest is as in `Stretch`; one text per row, or one."""

    micros: Integers
    places: Mapping[Place, Floats]
    texts: Sequence[str]
    lines: Integers
    radius_km: Floats | None = None

    def __len__(self) -> int:
        return len(self.micros)


Aligned = tuple[Stretch, Floats | None]
"""Records and their distances from the Earth's centre in kilometres."""


class Alignment:
    """Aligns the rows of one file; `column` is that of its times, `unit` what its rows are called."""

    def __init__(self, off_minute: OffMinute, *, file: str, column: str, unit: str) -> None:
        self._off_minute = off_minute
        self._file, self._column, self._unit = file, column, unit
        self._last: Timed | None = None
        self._next_minute = 0

    def aligned(self, rows: Iterable[Timed]) -> Iterator[Aligned]:
        """Return the records.

        Raises:
            BadData: a row is between the minutes and that is refused, or times do not ascend.
        """
        for timed in rows:
            if not len(timed):
                continue
            minutes, off = whole_minutes(timed.micros)
            if self._off_minute == "interpolate":
                yield self._between(_snapped(timed, minutes, off))
                continue
            kept = off == 0
            if self._off_minute == "refuse" and not kept.all():
                seconds = off[~kept][0] / 1e6
                rule = f"a record is of a full minute of UTC, and this is {seconds:+g} s from one (--off-minute)"
                raise self._bad(timed, ~kept, rule)
            radius = None if timed.radius_km is None else timed.radius_km[kept]
            yield Stretch(minutes, timed.places, timed.texts, timed.lines).part(kept), radius

    def _between(self, timed: Timed) -> Aligned:
        """Return the minutes from the last row of the batch before to the last row of this one."""
        rows = timed if self._last is None else _joined(self._last, timed)
        steps = np.diff(rows.micros)
        if (steps <= 0).any():
            wrong = np.concatenate([[False], steps <= 0])
            raise self._bad(rows, wrong, "times must ascend, and this one is not after the last")
        first = max(-(-int(rows.micros[0]) // MINUTE), self._next_minute if self._last is not None else -(2**62))
        minutes = np.arange(first, int(rows.micros[-1]) // MINUTE + 1)
        before = np.searchsorted(rows.micros, minutes * MINUTE, side="right") - 1
        behind = np.minimum(before + 1, len(rows) - 1)
        exact = rows.micros[before] == minutes * MINUTE
        near = exact | (rows.micros[behind] - rows.micros[before] <= MOST_GAP_MINUTES * MINUTE)
        minutes, before, behind, exact = minutes[near], before[near], behind[near], exact[near]
        gaps = np.where(exact, 1, rows.micros[behind] - rows.micros[before])
        share = np.where(exact, 0.0, (minutes * MINUTE - rows.micros[before]) / gaps)[:, None]
        places = {place: _mixed(values, before, behind, share) for place, values in rows.places.items()}
        radius = None
        if rows.radius_km is not None:
            radius = rows.radius_km[before] * (1 - share[:, 0]) + rows.radius_km[behind] * share[:, 0]
        texts = rows.texts if len(rows.texts) == 1 else [rows.texts[row] for row in before]
        self._last, self._next_minute = _tail(rows), int(rows.micros[-1]) // MINUTE + 1
        return Stretch(minutes, places, texts, rows.lines[before]), radius

    def _bad(self, rows: Timed, wrong: Mask, rule: str) -> BadData:
        line = int(rows.lines[int(np.flatnonzero(wrong)[0])])
        return BadData(self._file, rule, line=line, column=self._column, unit=self._unit)


def _mixed(values: Floats, before: Integers, behind: Integers, share: Floats) -> Floats:
    """Return places along the great circle between rows; a row's own place as it is, NaN where one is missing."""
    one, other = values[before], values[behind]
    mixed = to_sphere(to_vectors(one) * (1 - share) + to_vectors(other) * share)
    east = (one[:, 1] > 180.0) | (other[:, 1] > 180.0)  # rows of 0 to 360 degrees: what is between them is so too
    mixed[east, 1] %= 360.0
    return np.where(share == 0.0, one, mixed)


def _snapped(timed: Timed, minutes: Integers, off: Integers) -> Timed:
    """Return the rows with times that are their minute but for rounding put on it."""
    micros = np.where(off == 0, minutes * MINUTE, timed.micros)
    return Timed(micros, timed.places, timed.texts, timed.lines, timed.radius_km)


def _joined(last: Timed, timed: Timed) -> Timed:
    texts = last.texts
    if len(timed.texts) > 1 or timed.texts[0] != last.texts[0]:
        texts = [*last.texts, *(timed.texts if len(timed.texts) > 1 else list(timed.texts) * len(timed))]
    radius = None
    if last.radius_km is not None and timed.radius_km is not None:
        radius = np.concatenate([last.radius_km, timed.radius_km])
    return Timed(
        np.concatenate([last.micros, timed.micros]),
        {place: np.concatenate([last.places[place], values]) for place, values in timed.places.items()},
        texts,
        np.concatenate([last.lines, timed.lines]),
        radius,
    )


def _tail(rows: Timed) -> Timed:
    return Timed(
        rows.micros[-1:],
        {place: values[-1:] for place, values in rows.places.items()},
        rows.texts[-1:],
        rows.lines[-1:],
        None if rows.radius_km is None else rows.radius_km[-1:],
    )
