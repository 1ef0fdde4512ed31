"""Builders of searches for the tests of the engine."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.search.engine.conjunctions import Conjunctions, Pair
from services.search.engine.search import Terms, find
from services.search.engine.tracks import Span, Track
from tests.support.slow_search import Place, SlowTrack


def moving(source: int, places: Mapping[int, Place]) -> Track:
    """A source with a place in each of the minutes."""
    minutes = sorted(places)
    lat = np.array([places[minute][0] for minute in minutes], float)
    lon = np.array([places[minute][1] for minute in minutes], float)
    return Track.of(source, np.array(minutes, np.int64), lat, lon) if minutes else Track.of(source, *_EMPTY)


_EMPTY = (np.empty(0, np.int64), np.empty(0), np.empty(0))


def site(source: int, lat: float, lon: float, minutes: Sequence[int]) -> Track:
    """A source that stands still, with records in some minutes."""
    return Track.of(source, np.array(minutes, np.int64), np.array([lat]), np.array([lon]))


def fast(track: SlowTrack) -> Track:
    """The same track as the engine takes it."""
    return Track.fixed(track.source, *track.always) if track.places is None else moving(track.source, track.places)


def terms(*limits: float | None, blocks: int = 2, precision_s: int = 60) -> Terms:
    """Terms with the limits of the pairs in order: 0-1, 0-2, .., 1-2, .."""
    pairs = [Pair(a, b) for a in range(blocks) for b in range(a + 1, blocks)]
    return Terms(blocks=blocks, limits_km=dict(zip(pairs, limits, strict=True)), precision_s=precision_s)


def minutes(first: int, until: int) -> Span:
    """A span of whole minutes."""
    return Span(first * 60, until * 60)


def runs(found: Conjunctions) -> list[tuple[int, float, float]]:
    """Source of the last block, start and end in minutes of each row."""
    return [(row.sources[-1], row.start_s / 60, row.end_s / 60) for row in found.rows()]


def meet(limit_km: float, one: Track, other: Track, span: Span | None = None, precision_s: int = 60) -> Conjunctions:
    """A search for two sources."""
    return find(terms(limit_km, precision_s=precision_s), [[one], [other]], span or minutes(0, 100))
