"""Conjunctions as columns, and merging what follows on each other.

The same merge makes runs of single moments, and joins runs across the borders of parts: cutting a search differently
cannot change its rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray

from services.search.engine.sphere import Floats
from services.search.engine.tracks import Integers

Trace = Literal["nbtrace", "sbtrace", "geographic"]
TRACES: tuple[Trace, ...] = get_args(Trace)


class Pair(NamedTuple):
    """Two blocks by their place in the search; `first` is the lower one."""

    first: int
    second: int


class PairEvent(NamedTuple):
    """The part of one pair of sources in a conjunction; it begins and ends with it."""

    sources: tuple[int, int]
    min_km: float
    max_km: float


class Conjunction(NamedTuple):
    """One row: a source of each block, and the moments of the precision from `start_s` to `end_s`, both included."""

    trace: Trace
    sources: tuple[int, ...]
    start_s: int
    end_s: int
    closest_s: int
    farthest_s: int
    min_km: float
    max_km: float
    events: tuple[PairEvent, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Conjunctions:
    """Any number of rows as columns. Times are seconds since 1970; `pairs` are those whose distances count."""

    pairs: tuple[Pair, ...]
    trace: NDArray[np.int8]
    """Places in TRACES."""
    sources: Integers
    """Row by block."""
    start_s: Integers
    end_s: Integers
    closest_s: Integers
    farthest_s: Integers
    pair_min_km: Floats
    """Row by pair."""
    pair_max_km: Floats

    @classmethod
    def none(cls, blocks: int, pairs: tuple[Pair, ...]) -> Self:
        """Return no rows."""
        time = np.empty(0, np.int64)
        distances = np.empty((0, len(pairs)))
        trace = np.empty(0, np.int8)
        return cls(pairs, trace, np.empty((0, blocks), np.int64), time, time, time, time, distances, distances)

    def __len__(self) -> int:
        """How many rows there are."""
        return self.start_s.size

    @property
    def min_km(self) -> Floats:
        """The least distance of each row over its counted pairs."""
        least: Floats = self.pair_min_km.min(axis=1)
        return least

    @property
    def max_km(self) -> Floats:
        """The greatest distance of each row over its counted pairs."""
        greatest: Floats = self.pair_max_km.max(axis=1)
        return greatest

    def take(self, rows: NDArray[np.bool_] | Integers) -> "Conjunctions":
        """Return some rows, by a mask or by their places."""
        return Conjunctions(
            self.pairs,
            self.trace[rows],
            self.sources[rows],
            self.start_s[rows],
            self.end_s[rows],
            self.closest_s[rows],
            self.farthest_s[rows],
            self.pair_min_km[rows],
            self.pair_max_km[rows],
        )

    def rows(self) -> Iterator[Conjunction]:
        """Give each row as an object."""
        # Straight to the tuple: a named tuple's own constructor is a function in Python, which takes as long again.
        event, row = partial(tuple.__new__, PairEvent), partial(tuple.__new__, Conjunction)
        events = (
            map(
                event,
                zip(
                    zip(self.sources[:, pair.first].tolist(), self.sources[:, pair.second].tolist(), strict=True),
                    self.pair_min_km[:, place].tolist(),
                    self.pair_max_km[:, place].tolist(),
                    strict=True,
                ),
            )
            for place, pair in enumerate(self.pairs)
        )
        columns = (
            map(TRACES.__getitem__, self.trace.tolist()),
            map(tuple, self.sources.tolist()),
            self.start_s.tolist(),
            self.end_s.tolist(),
            self.closest_s.tolist(),
            self.farthest_s.tolist(),
            self.min_km.tolist(),
            self.max_km.tolist(),
            zip(*events, strict=True),
        )
        return map(row, zip(*columns, strict=True))


def concatenate(tables: Sequence[Conjunctions]) -> Conjunctions:
    """Return the rows of all, at least one, one after the other."""
    return Conjunctions(
        tables[0].pairs,
        np.concatenate([table.trace for table in tables]),
        np.concatenate([table.sources for table in tables]),
        np.concatenate([table.start_s for table in tables]),
        np.concatenate([table.end_s for table in tables]),
        np.concatenate([table.closest_s for table in tables]),
        np.concatenate([table.farthest_s for table in tables]),
        np.concatenate([table.pair_min_km for table in tables]),
        np.concatenate([table.pair_max_km for table in tables]),
    )


def in_order(table: Conjunctions) -> Conjunctions:
    """Return the rows by start, then by their sources in the order of the blocks, then by trace."""
    return table.take(np.lexsort((table.trace, *table.sources.T[::-1], table.start_s)))


def merge(tables: Sequence[Conjunctions], precision_s: int) -> Conjunctions:
    """Return the rows of all, those that follow on each other made one; sorted by trace, sources and start."""
    table = concatenate(tables)
    return collapse(table.take(np.lexsort((table.start_s, *table.sources.T, table.trace))), precision_s)


def collapse(table: Conjunctions, precision_s: int) -> Conjunctions:
    """Make one row of rows that follow on each other: the next begins one precision after the end of the one before.

    Rows of the same trace and sources lie together, in order of time. Of equal distances the earlier moment counts.
    """
    if not len(table):
        return table
    begins = np.ones(len(table), bool)
    same = (table.trace[1:] == table.trace[:-1]) & (table.sources[1:] == table.sources[:-1]).all(axis=1)
    begins[1:] = ~(same & (table.start_s[1:] == table.end_s[:-1] + precision_s))
    starts = np.flatnonzero(begins)
    if starts.size == len(table):
        return table
    group = np.cumsum(begins) - 1
    least, greatest = table.min_km, table.max_km
    closest = _first_of_each(least == np.minimum.reduceat(least, starts)[group], starts)
    farthest = _first_of_each(greatest == np.maximum.reduceat(greatest, starts)[group], starts)
    return Conjunctions(
        table.pairs,
        table.trace[starts],
        table.sources[starts],
        table.start_s[starts],
        table.end_s[np.append(starts[1:], len(table)) - 1],
        table.closest_s[closest],
        table.farthest_s[farthest],
        np.minimum.reduceat(table.pair_min_km, starts, axis=0),
        np.maximum.reduceat(table.pair_max_km, starts, axis=0),
    )


def _first_of_each(marked: NDArray[np.bool_], starts: Integers) -> Integers:
    places = np.flatnonzero(marked)
    return places[np.searchsorted(places, starts)]
