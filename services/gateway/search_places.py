"""Where the sources of conjunctions were: looked up in the ephemeris, a few days of some rows at a time."""

import json
import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from contracts.http.aurorax import ConjunctionQuery
from contracts.http.searches import Place
from services.kit.search_rows import read_result
from services.kit.store.documents import QueryKey
from services.kit.store.ephemeris import DAY_MINUTES, EphemerisDay, Position, position_at
from services.kit.store.ephemeris import Place as Column
from services.kit.store.port import Store

_MINUTE_S = 60
_MOST_DAYS = 4
"""How many days of ephemeris are looked at together."""
_COLUMNS: Mapping[str, Column] = {"nbtrace": "nbtrace", "sbtrace": "sbtrace", "geographic": "location_geo"}

_Days = Mapping[int, Mapping[int, EphemerisDay]]
"""By source and day."""


class _Row(NamedTuple):
    sources: tuple[int, ...]
    column: Column
    second: int
    """When they were closest, since 1970."""

    @property
    def day(self) -> int:
        return self.second // _MINUTE_S // DAY_MINUTES


async def places_of(store: Store, key: QueryKey, query: ConjunctionQuery) -> AsyncIterator[list[list[Place]]]:
    """Yield, some rows at a time, where the sources of each row were when they were closest.

    What is no longer in the store has no place.
    """
    custom = _custom(query)
    async for chunk in read_result(store.search_rows, key):
        for rows in _grouped(map(_row, json.loads(b"[" + chunk + b"]"))):
            sources = {source for row in rows for source in row.sources if source not in custom}
            days, columns = [row.day for row in rows], {row.column for row in rows}
            # One day more: a place between two minutes may need the first one of the next day.
            read = await store.ephemeris.read(key.tenant, sources, min(days), max(days) + 2, columns)
            known = {source: {day.day: day for day in found} for source, found in read.items()}
            yield [[custom.get(source) or _place(known, source, row) for source in row.sources] for row in rows]


def _custom(query: ConjunctionQuery) -> Mapping[int, Position]:
    """Return the custom locations; they count down from -1."""
    locations = [location for block in query.adhoc for location in block.locations]
    return {-number: Position(each.lat, each.lon) for number, each in enumerate(locations, 1)}


def _row(row: Mapping[str, Any]) -> _Row:
    closest = datetime.fromisoformat(row["closest_epoch"]).replace(tzinfo=UTC)
    sources = tuple(source["identifier"] for source in row["data_sources"])
    return _Row(sources, _COLUMNS[row["conjunction_type"]], int(closest.timestamp()))


def _grouped(rows: Iterable[_Row]) -> Iterator[Sequence[_Row]]:
    """Yield rows that follow each other and need few days."""
    group: list[_Row] = []
    for row in rows:
        if group and row.day - group[0].day >= _MOST_DAYS:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _place(known: _Days, source: int, row: _Row) -> Place:
    minute, beyond_s = divmod(row.second, _MINUTE_S)
    here = _at(known, source, row.column, minute)
    if here is None or not beyond_s:
        return here
    following = _at(known, source, row.column, minute + 1)
    return here if following is None else _between(here, following, beyond_s / _MINUTE_S)


def _at(known: _Days, source: int, column: Column, minute: int) -> Position | None:
    day = known.get(source, {}).get(minute // DAY_MINUTES)
    return None if day is None else position_at(day, column, minute)


def _between(one: Position, other: Position, fraction: float) -> Position:
    """Return a place between two that are near each other; for a picture the chord does."""
    x, y, z = ((1 - fraction) * a + fraction * b for a, b in zip(_vector(one), _vector(other), strict=True))
    return Position(math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)))


def _vector(place: Position) -> tuple[float, float, float]:
    lat, lon = math.radians(place.lat), math.radians(place.lon)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
