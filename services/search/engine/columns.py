"""From the stored days of a source to one set of columns, and from those to the track that a search asks for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.kit.store.ephemeris import (
    DAY_MINUTES,
    PLACES,
    PRESENT_BYTES,
    Column,
    EphemerisDay,
    Place,
    unpack_metadata,
)
from services.search.engine.conjunctions import Trace
from services.search.engine.filters import MetadataFilter
from services.search.engine.sphere import Floats
from services.search.engine.tracks import Integers, Track

Hemisphere = Literal["northern", "southern"]
Mask = NDArray[np.bool_]

PLACE_OF: Mapping[Trace, Place] = {"nbtrace": "nbtrace", "sbtrace": "sbtrace", "geographic": "location_geo"}
_DOUBLE = np.dtype("<f8")
_CODE = np.dtype("<u2")
_ONE_PLACE = 2 * _DOUBLE.itemsize
_FULL = b"\xff" * PRESENT_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Latitudes and longitudes in degrees, NaN where there is none; one of each when it is the same at all times."""

    lat: Floats
    lon: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SourceColumns:
    """The records of one source: their minutes since 1970, ascending, and those columns that were read."""

    source: int
    minutes: Integers
    positions: Mapping[Place, Positions]
    texts: tuple[str, ...] = ()
    """The distinct texts of the metadata; empty when it was not read."""
    codes: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    """Which of the texts each minute has."""


def columns_for(
    trace: Trace, *, hemispheres: Collection[Hemisphere] = (), metadata_filter: MetadataFilter | None = None
) -> tuple[Column, ...]:
    """Return the columns that `track_of` needs."""
    places = [PLACE_OF[trace], *(["location_geo"] if _chooses(hemispheres) else [])]
    columns: tuple[Column, ...] = tuple(place for place in PLACES if place in places)
    return (*columns, "metadata") if metadata_filter else columns


def track_of(
    columns: SourceColumns,
    trace: Trace,
    *,
    hemispheres: Collection[Hemisphere] = (),
    metadata_filter: MetadataFilter | None = None,
) -> Track:
    """Return the places of a source in a trace, at the minutes that the filters let through.

    A hemisphere is that of the place below the source at that minute, not of its footprint; the equator is northern.
    """
    positions = columns.positions[PLACE_OF[trace]]
    minutes, lat, lon = columns.minutes, positions.lat, positions.lon
    kept = _in_hemisphere(columns, hemispheres) if _chooses(hemispheres) else None
    if metadata_filter:
        wanted = mask(metadata_filter, columns)
        kept = wanted if kept is None else kept & wanted
    if kept is not None:
        minutes = minutes[kept]
        if lat.size > 1:
            lat, lon = lat[kept], lon[kept]
    return Track.of(columns.source, minutes, lat, lon)


def mask(metadata_filter: MetadataFilter, columns: SourceColumns) -> Mask:
    """Return which of the minutes a filter lets through; each distinct text is looked at once."""
    matches = np.array([metadata_filter.matches_json(text) for text in columns.texts], bool)
    matching: Mask = matches[columns.codes]
    return matching


def columns_of(source: int, days: Sequence[EphemerisDay], first_minute: int, until_minute: int) -> SourceColumns:
    """Return the records of days in order from `first_minute` until before `until_minute`."""
    if not days:
        nowhere = Positions(np.array([np.nan]), np.array([np.nan]))
        return SourceColumns(source, np.empty(0, np.int64), dict.fromkeys(PLACES, nowhere))
    minutes = _minutes(days)
    begin, end = np.searchsorted(minutes, (first_minute, until_minute))
    names = days[0].columns
    positions = {place: _positions(days, place, slice(begin, end)) for place in PLACES if place in names}
    if "metadata" not in names:
        return SourceColumns(source, minutes[begin:end], positions)
    texts, codes = _metadata(days)
    return SourceColumns(source, minutes[begin:end], positions, texts, codes[begin:end])


def _minutes(days: Sequence[EphemerisDay]) -> Integers:
    """Return the minutes since 1970 that days in order have."""
    first, last = days[0].day, days[-1].day
    follow = last - first == len(days) - 1
    if follow and all(day.present == _FULL for day in days):  # a spacecraft's, mostly
        return np.arange(first * DAY_MINUTES, (last + 1) * DAY_MINUTES)
    minutes = np.flatnonzero(np.unpackbits(np.frombuffer(b"".join(day.present for day in days), np.uint8)))
    if follow:
        return minutes + first * DAY_MINUTES
    numbers = np.array([day.day for day in days])
    minutes += ((numbers - np.arange(numbers.size)) * DAY_MINUTES)[minutes // DAY_MINUTES]
    return minutes


def _positions(days: Sequence[EphemerisDay], place: Place, kept: slice) -> Positions:
    stored = [day.columns[place] for day in days]
    if len(stored[0]) == _ONE_PLACE and len(set(stored)) == 1:
        lat, lon = np.frombuffer(stored[0], _DOUBLE)
        return Positions(np.array([lat]), np.array([lon]))
    pairs = []
    for day, data in zip(days, stored, strict=True):
        pair = np.frombuffer(data, _DOUBLE).reshape(2, -1)
        pairs.append(np.broadcast_to(pair, (2, len(day))) if len(data) == _ONE_PLACE else pair)
    lat, lon = np.concatenate(pairs, axis=1)[:, kept]
    return Positions(lat, lon)


def _metadata(days: Sequence[EphemerisDay]) -> tuple[tuple[str, ...], Integers]:
    places: dict[str, int] = {}
    codes: list[Integers] = []
    for day in days:
        column = unpack_metadata(day.columns["metadata"])
        known = np.array([places.setdefault(text, len(places)) for text in column.texts], np.int64)
        codes.append(known[np.frombuffer(column.codes, _CODE)] if column.codes else np.full(len(day), known[0]))
    return tuple(places), np.concatenate(codes)


def _chooses(hemispheres: Collection[Hemisphere]) -> bool:
    """None chosen and both chosen are the same."""
    return len(set(hemispheres)) == 1


def _in_hemisphere(columns: SourceColumns, hemispheres: Collection[Hemisphere]) -> Mask:
    lat = np.broadcast_to(columns.positions["location_geo"].lat, columns.minutes.shape)
    chosen: Mask = lat >= 0 if "northern" in hemispheres else lat < 0
    return chosen
