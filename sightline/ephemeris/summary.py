"""What a file, or what was generated, looks like as a whole, for a person to confirm."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from contracts.http.ephemeris import Place
from sightline.ephemeris.stretch import Stretch

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Range(NamedTuple):
    """The least and the greatest latitude and longitude, in degrees."""

    south: float
    north: float
    west: float
    east: float


@dataclass(slots=True)
class Summary:
    """What was found, for a person to confirm."""

    rows: int = 0
    repeated: int = 0
    """Rows that said the same as the one before."""
    first: int = 0
    last: int = 0
    """Minutes since 1970."""
    steps: Counter[int] = field(default_factory=Counter)
    """Minutes from one record to the next, and how often."""
    ranges: dict[Place, Range] = field(default_factory=dict)
    """Per place that was found, where it was."""

    @property
    def step(self) -> int:
        """The usual step in minutes; 0 of a single record."""
        return self.steps.most_common(1)[0][0] if self.steps else 0

    @property
    def gaps(self) -> int:
        """How often the step is greater than usual."""
        return sum(count for step, count in self.steps.items() if step > self.step)

    def note(self, stretch: Stretch) -> None:
        """Add minutes that come after all that were noted."""
        if not self.rows:
            self.first = int(stretch.minutes[0])
        before = [self.last] if self.rows else []
        self.rows += len(stretch)
        self.last = int(stretch.minutes[-1])
        steps, counts = np.unique(np.diff(np.concatenate([before, stretch.minutes])), return_counts=True)
        self.steps.update(dict(zip(map(int, steps), map(int, counts), strict=True)))
        for place, values in stretch.places.items():
            if np.isnan(values).all():
                continue
            (south, west), (north, east) = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
            old = self.ranges.get(place, Range(south, north, west, east))
            self.ranges[place] = Range(
                float(min(old.south, south)),
                float(max(old.north, north)),
                float(min(old.west, west)),
                float(max(old.east, east)),
            )


def time_of(minute: int) -> str:
    """Return a minute since 1970 as text."""
    return (EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M")
