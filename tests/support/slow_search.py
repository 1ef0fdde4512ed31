"""The conjunction search once more, slow and obvious, in plain Python: what the engine is held against."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.search.engine.search import Terms
from services.search.engine.tracks import Span

RADIUS_KM = 6371.0
WITHIN_KM = 1e-6
Place = tuple[float, float]


@dataclass(frozen=True)
class SlowTrack:
    """Places by minute, or one that is there at all times."""

    source: int
    places: Mapping[int, Place] | None
    always: Place = (0.0, 0.0)


def haversine_km(a: Place, b: Place) -> float:
    (lat_a, lon_a), (lat_b, lon_b) = a, b
    north, east = math.radians(lat_b - lat_a), math.radians(lon_b - lon_a)
    h = (
        math.sin(north / 2) ** 2
        + math.cos(math.radians(lat_a)) * math.cos(math.radians(lat_b)) * math.sin(east / 2) ** 2
    )
    return 2 * RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


def between(a: Place, b: Place, fraction: float) -> Place | None:
    angle = haversine_km(a, b) / RADIUS_KM
    if angle == 0:
        return a
    if angle > math.pi - 1e-6:
        return None
    weights = (math.sin((1 - fraction) * angle) / math.sin(angle), math.sin(fraction * angle) / math.sin(angle))
    vectors = []
    for lat, lon in (a, b):
        phi, lam = math.radians(lat), math.radians(lon)
        vectors.append((math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)))
    x, y, z = (weights[0] * p + weights[1] * q for p, q in zip(*vectors, strict=True))
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def place_at(track: SlowTrack, second: int) -> Place | None:
    if track.places is None:
        return track.always
    minute, beyond = divmod(second, 60)
    if beyond == 0:
        return track.places.get(minute)
    if minute not in track.places or minute + 1 not in track.places:
        return None
    return between(track.places[minute], track.places[minute + 1], beyond / 60)


def slow_search(terms: Terms, blocks: Sequence[Sequence[SlowTrack]], span: Span) -> list[dict[str, Any]]:
    """Every row as a dict, in order."""
    rows = []
    seconds = [second for second in range(span.start_s, span.stop_s) if second % terms.precision_s == 0]
    for tracks in itertools.product(*blocks):
        sources = tuple(track.source for track in tracks)
        if len(set(sources)) < len(sources):
            continue
        run: list[tuple[int, list[float]]] = []
        for second in [*seconds, None]:
            found = None if second is None else _distances(terms, tracks, second)
            if found is not None and second is not None and (not run or run[-1][0] == second - terms.precision_s):
                run.append((second, found))
                continue
            if run:
                rows.append(_row(sources, run))
            run = [(second, found)] if found is not None and second is not None else []
    return sorted(rows, key=lambda row: (row["start_s"], row["sources"]))


def _distances(terms: Terms, tracks: Sequence[SlowTrack], second: int) -> list[float] | None:
    places = [place_at(track, second) for track in tracks]
    if any(place is None for place in places):
        return None
    distances = []
    for pair in itertools.combinations(range(len(tracks)), 2):
        limit = next((km for named, km in terms.limits_km.items() if tuple(named) == pair), None)
        a, b = places[pair[0]], places[pair[1]]
        assert a is not None
        assert b is not None
        distance = haversine_km(a, b)
        if limit is None and any(km is not None for km in terms.limits_km.values()):
            continue
        if limit is not None and distance > limit + WITHIN_KM:
            return None
        distances.append(distance)
    return distances


def _row(sources: tuple[int, ...], run: Sequence[tuple[int, list[float]]]) -> dict[str, Any]:
    least, greatest = min(min(found) for _, found in run), max(max(found) for _, found in run)
    return {
        "sources": sources,
        "start_s": run[0][0],
        "end_s": run[-1][0],
        "min_km": least,
        "max_km": greatest,
        "at": {second: (min(found), max(found)) for second, found in run},
        "events": [(min(km), max(km)) for km in zip(*(found for _, found in run), strict=True)],
    }
