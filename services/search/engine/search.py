"""Finding conjunctions: which sources, one of each block, were near each other, and when.

Time is worked in windows that fit the cache. The pair of blocks with the strictest limit goes first: the cosines of
its angles are compared with a threshold, for whole blocks at once. What passes is few, and is measured with the
distance formula; the other blocks are then tried only where the ones before them met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.kit.errors import Refused
from services.search.engine.conjunctions import (
    TRACES,
    Conjunctions,
    Pair,
    Trace,
    collapse,
    in_order,
    merge,
)
from services.search.engine.sphere import HALF_ROUND_KM
from services.search.engine.tracks import MINUTE_S, Integers, Span, Track
from services.search.engine.windows import Hits, Window, extend, first_hits, window

MIN_BLOCKS = 2
MAX_BLOCKS = 10

_CELLS = 1 << 18
"""Pairs and moments in one comparison: a megabyte of cosines stays in the cache of one core."""
_MIN_TICKS, _MAX_TICKS = 256, 8192
_MOST_HITS = 1 << 20
"""Moments of tuples that are held at once; a window that has more is halved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked: how near the sources of each two blocks are, in which trace, and how exactly in time.

    A pair of blocks without a limit (None, or not named) need not meet, and its distances count in nothing; when no
    pair has one, the distances of all count. `precision_s` divides a minute.
    """

    blocks: int
    limits_km: Mapping[Pair, float | None]
    trace: Trace = "nbtrace"
    precision_s: int = 60

    def __post_init__(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            Refused: `invalid_parameter`.
        """
        if not MIN_BLOCKS <= self.blocks <= MAX_BLOCKS:
            raise Refused(
                "invalid_parameter",
                f"a conjunction search needs {MIN_BLOCKS} to {MAX_BLOCKS} blocks, this one has {self.blocks}",
            )
        if self.precision_s < 1 or MINUTE_S % self.precision_s:
            raise Refused("invalid_parameter", f"a precision of {self.precision_s} s does not divide a minute")
        for pair, limit_km in self.limits_km.items():
            if not 0 <= pair.first < pair.second < self.blocks:
                raise Refused("invalid_parameter", f"there is no pair of blocks {pair.first} and {pair.second}")
            if limit_km is not None and not limit_km >= 0:  # NaN is not
                raise Refused("invalid_parameter", f"a distance of {limit_km} km cannot be")

    @property
    def limited(self) -> dict[Pair, float]:
        """The pairs that must meet, with their limits."""
        return {pair: limit for pair, limit in sorted(self.limits_km.items()) if limit is not None}

    @property
    def counted(self) -> tuple[Pair, ...]:
        """The pairs whose distances are reported."""
        every = (Pair(a, b) for a in range(self.blocks) for b in range(a + 1, self.blocks))
        return tuple(self.limited) or tuple(every)


def find(terms: Terms, blocks: Sequence[Sequence[Track]], span: Span) -> Conjunctions:
    """Return the conjunctions within the span, in order: by start, then by sources.

    A moment counts when every source of the tuple is there and every limited pair is within its limit. Tuples that
    hold one source twice are left out; no source comes twice in one block. Tracks may reach beyond the span: records
    of `span.minutes()` are all that is needed.

    Raises:
        Refused: `invalid_parameter`, so many tuples of sources meet at one moment that they cannot be listed.
    """
    search = _Search(terms)
    tracks = [[track.at_precision(terms.precision_s) for track in block] for block in blocks]
    first, behind = span.ticks(terms.precision_s)
    size = max(_MIN_TICKS, min(_MAX_TICKS, _CELLS // max(1, *(len(block) for block in blocks))))
    found = [search.none()]
    for start in range(first, behind, size):
        found += search.within(tracks, start, min(start + size, behind))
    return in_order(merge(found, terms.precision_s))


class _Search:
    """The terms, and the order in which the blocks are tried: the strictest pair, then whichever is held closest."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._trace = TRACES.index(terms.trace)
        limits = terms.limited or dict.fromkeys(terms.counted, HALF_ROUND_KM)
        self._limits = limits
        self._first = min(limits, key=lambda pair: (limits[pair], pair))
        tried, left = set(self._first), set(range(terms.blocks)) - set(self._first)
        self._next: list[int] = []
        while left:
            block = min(left, key=lambda block: (self._strictest(block, tried), block))
            self._next.append(block)
            tried.add(block)
            left.remove(block)

    def none(self) -> Conjunctions:
        """Return no rows."""
        return Conjunctions.none(self._terms.blocks, self._terms.counted)

    def within(self, tracks: Sequence[Sequence[Track]], start: int, stop: int) -> list[Conjunctions]:
        """Return the runs of the window, in pieces; it is halved when there is too much in it."""
        found = [[found for track in block if (found := window(track, start, stop))] for block in tracks]
        if not all(found):
            return []
        hits = self._hits(found, stop - start)
        if hits is not None:
            return [collapse(self._table(hits, start), self._terms.precision_s)] if hits.ticks.size else []
        if stop - start == 1:
            raise Refused(
                "invalid_parameter",
                f"more than {_MOST_HITS} combinations of sources meet at one moment: name fewer sources per block",
            )
        middle = (start + stop) // 2
        return self.within(tracks, start, middle) + self.within(tracks, middle, stop)

    def _hits(self, windows: Sequence[Sequence[Window]], size: int) -> Hits | None:
        """Return every moment of every tuple, or None when there are too many to hold."""
        hits = first_hits(self._first, windows, size, self._limits[self._first], _MOST_HITS)
        for block in self._next:
            if hits is None or not hits.ticks.size:
                break
            limits = {pair: limit for pair, limit in self._limits.items() if block in pair}
            hits = extend(hits, block, windows[block], limits, _MOST_HITS)
        return hits

    def _table(self, hits: Hits, start: int) -> Conjunctions:
        blocks, pairs = range(self._terms.blocks), self._terms.counted
        moments: Integers = (hits.ticks + start) * self._terms.precision_s
        distances = np.stack([hits.distances_km[pair] for pair in pairs], axis=1)
        trace = np.full(moments.size, self._trace, np.int8)
        sources = np.stack([hits.sources[block] for block in blocks], axis=1)
        return Conjunctions(pairs, trace, sources, moments, moments, moments, moments, distances, distances)

    def _strictest(self, block: int, tried: set[int]) -> float:
        limits = (self._limits.get(Pair(min(block, other), max(block, other))) for other in tried)
        return min((limit for limit in limits if limit is not None), default=float("inf"))
