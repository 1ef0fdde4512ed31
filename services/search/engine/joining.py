"""Joining the rows of parts into those of the whole search."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.search.engine.conjunctions import Conjunctions, concatenate, in_order, merge
from services.search.engine.tracks import Span


class Part(NamedTuple):
    """A part of a search and the rows that were found in it."""

    span: Span
    rows: Conjunctions


class Join:
    """Joins parts in two passes, so that only rows that touch a border are held.

    Show every part to `learn`, in order of time, then every part to `emit`, in the same order: what `emit` returns,
    one after the other, are the rows of one search over the whole span, in their order. Parts lie end to end; part
    borders may lie anywhere. A part that was interrupted may be shown again from the beginning, to a new Join.
    """

    def __init__(self, precision_s: int) -> None:
        self._precision_s = precision_s
        self._chains: Conjunctions | None = None

    def learn(self, part: Part) -> None:
        """Take note of the rows that may go on beyond the part."""
        touching = part.rows.take(touches(part, self._precision_s))
        tables = [touching] if self._chains is None else [self._chains, touching]
        self._chains = merge(tables, self._precision_s)

    def emit(self, part: Part) -> Conjunctions:
        """Return the rows that begin in the part, each to its end, wherever that is."""
        tables = [part.rows.take(~touches(part, self._precision_s))]
        if self._chains is not None:
            starts = self._chains.start_s
            tables.append(self._chains.take((starts >= part.span.start_s) & (starts < part.span.stop_s)))
        return in_order(concatenate(tables))


def touches(part: Part, precision_s: int) -> NDArray[np.bool_]:
    """Say which rows of a part begin at its first moment or end at its last one: they may go on beyond it."""
    first, behind = part.span.ticks(precision_s)
    begins: NDArray[np.bool_] = part.rows.start_s == first * precision_s
    ends: NDArray[np.bool_] = part.rows.end_s == (behind - 1) * precision_s
    return begins | ends


def join(parts: Sequence[Part], precision_s: int) -> Conjunctions:
    """Return the rows of all parts, at least one, as one search over all of them gives them."""
    joining = Join(precision_s)
    for part in parts:
        joining.learn(part)
    return concatenate([joining.emit(part) for part in parts])
