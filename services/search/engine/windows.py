"""A window of time: the sources in it as dense arrays, and the moments at which they meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.search.engine.conjunctions import Pair
from services.search.engine.sphere import TOLERANCE_KM, Floats, Vectors, distance_km, least_cosine, unit_vectors
from services.search.engine.tracks import Integers, Track

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One source in a window of time. One place stands for all ticks when it does not move."""

    source: int
    present: Mask | None
    """The ticks at which it is there; None: all of them."""
    lat: Floats
    lon: Floats

    @property
    def moves(self) -> bool:
        """False when one place stands for all ticks."""
        return self.lat.size > 1

    def place(self, ticks: Integers) -> tuple[Floats, Floats]:
        """Return where it was at ticks of the window."""
        if self.moves:
            return self.lat[ticks], self.lon[ticks]
        return np.broadcast_to(self.lat, ticks.shape), np.broadcast_to(self.lon, ticks.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Moments at which sources of some blocks meet, as columns; those of one tuple lie together, in order of time."""

    ticks: Integers
    sources: Mapping[int, Integers]
    """By block; the same for the places."""
    places: Mapping[int, tuple[Floats, Floats]]
    distances_km: Mapping[Pair, Floats]


def window(track: Track, start: int, stop: int) -> Window | None:
    """Return the track's ticks from `start` until before `stop`, or None when it has none there."""
    size = stop - start
    if track.ticks is None:
        return Window(track.source, None, track.lat, track.lon)
    begin, end = track.ticks.searchsorted((start, stop))
    if begin == end:
        return None
    if end - begin == size:
        kept = slice(begin, end) if track.moves else slice(None)
        return Window(track.source, None, track.lat[kept], track.lon[kept])
    places = track.ticks[begin:end] - start
    present = np.zeros(size, bool)
    present[places] = True
    if not track.moves:
        return Window(track.source, present, track.lat, track.lon)
    lat, lon = np.zeros(size), np.zeros(size)
    lat[places], lon[places] = track.lat[begin:end], track.lon[begin:end]
    return Window(track.source, present, lat, lon)


def first_hits(pair: Pair, windows: Sequence[Sequence[Window]], size: int, limit_km: float, most: int) -> Hits | None:
    """Return where a source of one block meets one of another, or None when it is at more than `most` moments."""
    rows, columns = pair
    if _fixed(windows[columns]) > _fixed(windows[rows]):
        rows, columns = columns, rows
    # Sites that do not move are multiplied with a spacecraft's vectors as one matrix; the others one by one.
    standing = [row for row in windows[rows] if not row.moves]
    moving = [row for row in windows[rows] if row.moves]
    groups = [group for group in (standing, moving) if group]
    stacks = [_Stack(group, size) for group in groups]
    found: list[Hits] = []
    count = 0
    for column in windows[columns]:
        for stack in stacks:
            hits = stack.meet(column, limit_km, (rows, columns), pair)
            count += hits.ticks.size
            if count > most:
                return None
            found.append(hits)
    return _concatenate(found)


def extend(hits: Hits, block: int, windows: Sequence[Window], limits: Mapping[Pair, float], most: int) -> Hits | None:
    """Return where a source of one more block is there and within its limits to those that met already.

    None when it is at more than `most` moments. A source that the tuple holds already is not taken again.
    """
    found: list[Hits] = []
    count = 0
    known = [
        (pair, limit)
        for pair, limit in sorted(limits.items(), key=lambda item: item[1])
        if _other(pair, block) in hits.sources
    ]
    for each in windows:
        kept = hits if each.present is None else _take(hits, each.present[hits.ticks])
        repeated = np.zeros(kept.ticks.size, bool)
        for sources in kept.sources.values():
            repeated |= sources == each.source
        if repeated.any():
            kept = _take(kept, ~repeated)
        for pair, limit_km in known:
            distances = distance_km(*kept.places[_other(pair, block)], *each.place(kept.ticks))
            near = distances <= limit_km + TOLERANCE_KM
            kept = _take(Hits(kept.ticks, kept.sources, kept.places, {**kept.distances_km, pair: distances}), near)
        count += kept.ticks.size
        if count > most:
            return None
        found.append(
            Hits(
                kept.ticks,
                {**kept.sources, block: np.full(kept.ticks.size, each.source)},
                {**kept.places, block: each.place(kept.ticks)},
                kept.distances_km,
            )
        )
    return _concatenate(found)


class _Stack:
    """Sources of one block as one array: all standing, or all moving."""

    def __init__(self, windows: Sequence[Window], size: int) -> None:
        self._sources = np.array([each.source for each in windows])
        self._size = size
        self._present = _presence(windows, size)
        self._lat = np.stack([each.lat for each in windows])
        self._lon = np.stack([each.lon for each in windows])
        self._vectors = unit_vectors(self._lat.ravel(), self._lon.ravel()).reshape(3, *self._lat.shape)

    def meet(self, column: Window, limit_km: float, blocks: tuple[int, int], pair: Pair) -> Hits:
        """Return where one of them and `column` are there, and near enough."""
        size = self._size
        near = self._cosines(unit_vectors(column.lat, column.lon)) >= least_cosine(limit_km)
        places = np.flatnonzero(near if near.shape[1] == size else np.broadcast_to(near, (near.shape[0], size)))
        if self._present is not None:
            places = places[self._present[places]]
        rows, ticks = np.divmod(places, size)
        kept = self._sources[rows] != column.source
        if column.present is not None:
            kept &= column.present[ticks]
        rows, ticks = rows[kept], ticks[kept]
        moments = ticks if self._lat.shape[1] > 1 else np.zeros_like(ticks)
        own, other = (self._lat[rows, moments], self._lon[rows, moments]), column.place(ticks)
        distances = distance_km(*own, *other)
        within = distances <= limit_km + TOLERANCE_KM
        sources = {blocks[0]: self._sources[rows], blocks[1]: np.full(rows.size, column.source)}
        return _take(Hits(ticks, sources, {blocks[0]: own, blocks[1]: other}, {pair: distances}), within)

    def _cosines(self, vectors: Vectors) -> Vectors:
        x, y, z = self._vectors
        if x.shape[1] == 1:
            standing: Vectors = np.concatenate((x, y, z), axis=1) @ vectors
            return standing
        cosines: Vectors = x * vectors[0]
        cosines += y * vectors[1]
        cosines += z * vectors[2]
        return cosines


def _presence(windows: Sequence[Window], size: int) -> Mask | None:
    """Return window by window the ticks at which it is there, end to end; None when all are there always."""
    if all(each.present is None for each in windows):
        return None
    return np.concatenate([np.ones(size, bool) if each.present is None else each.present for each in windows])


def _take(hits: Hits, rows: Mask) -> Hits:
    return Hits(
        hits.ticks[rows],
        {block: sources[rows] for block, sources in hits.sources.items()},
        {block: (lat[rows], lon[rows]) for block, (lat, lon) in hits.places.items()},
        {pair: distances[rows] for pair, distances in hits.distances_km.items()},
    )


def _concatenate(found: Sequence[Hits]) -> Hits:
    first = found[0]
    return Hits(
        np.concatenate([hits.ticks for hits in found]),
        {block: np.concatenate([hits.sources[block] for hits in found]) for block in first.sources},
        {
            block: (
                np.concatenate([hits.places[block][0] for hits in found]),
                np.concatenate([hits.places[block][1] for hits in found]),
            )
            for block in first.places
        },
        {pair: np.concatenate([hits.distances_km[pair] for hits in found]) for pair in first.distances_km},
    )


def _other(pair: Pair, block: int) -> int:
    return pair.second if pair.first == block else pair.first


def _fixed(windows: Sequence[Window]) -> int:
    return sum(not each.moves for each in windows)
