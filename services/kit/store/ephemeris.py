"""Ephemeris as stores keep it: columns per source and day, packed as bytes.

Packing and unpacking need the standard library only, so that a service without NumPy can take and give records; who
computes reads the bytes as arrays (`services.search.engine.columns`). Layout of a day with n minutes:

    present     a bitmap of 1440 bits, the first minute in the highest bit of the first byte
    a place     n latitudes, then n longitudes, as little-endian doubles in degrees; absent is NaN in both. One latitude
                and one longitude stand for all when they are the same in every minute, as for a site on the ground
    metadata    zlib over: how many bytes of codes follow (uint32), n codes (uint16), the distinct texts as a JSON list;
                no codes when one text stands for all
"""

import json
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from services.kit.errors import Undecodable

DAY_MINUTES = 1440
PRESENT_BYTES = DAY_MINUTES // 8

Place = Literal["location_geo", "location_gsm", "nbtrace", "sbtrace"]
Column = Literal[Place, "metadata"]
PLACES: tuple[Place, ...] = get_args(Place)
EVERY_DAY = (-(2**31), 2**31)
COLUMNS: tuple[Column, ...] = (*PLACES, "metadata")

_DOUBLE = 8
_COMPRESSION = 1  # text that hardly changes shrinks as far at the lowest level


class Position(NamedTuple):
    """A point on the sphere, in degrees."""

    lat: float
    lon: float


_NOWHERE = Position(math.nan, math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemerisRecord:
    """One source at one minute. `minute` counts from 1970; `metadata_json` is the client's own text of an object."""

    minute: int
    location_geo: Position | None = None
    location_gsm: Position | None = None
    nbtrace: Position | None = None
    sbtrace: Position | None = None
    metadata_json: str = "{}"


@dataclass(frozen=True, slots=True)
class EphemerisDay:
    """The minutes of one source on one day, counted from 1970, and those of their columns that were asked for."""

    day: int
    present: bytes
    columns: Mapping[Column, bytes]

    def __len__(self) -> int:
        """How many minutes have a record."""
        return int.from_bytes(self.present, "big").bit_count()


class Extent(NamedTuple):
    """How much there is of a source: records, and the first and the last of them (a minute, or microseconds)."""

    total: int
    first: int
    last: int


class MetadataColumn(NamedTuple):
    """The distinct texts and, per minute, which of them it has (uint16, little-endian); no codes: the one for all."""

    texts: tuple[str, ...]
    codes: bytes


def minutes_of(present: bytes) -> list[int]:
    """Return the minutes of the day that a bitmap holds."""
    bits = f"{int.from_bytes(present, 'big'):0{DAY_MINUTES}b}"
    return [minute for minute, bit in enumerate(bits) if bit == "1"]


def pack(records: Iterable[EphemerisRecord]) -> list[EphemerisDay]:
    """Return the records as days in order, every column there; of two records of a minute the later one wins."""
    days: dict[int, dict[int, EphemerisRecord]] = {}
    for record in records:
        day, minute = divmod(record.minute, DAY_MINUTES)
        days.setdefault(day, {})[minute] = record
    return [_pack_day(day, minutes) for day, minutes in sorted(days.items())]


def unpack(day: EphemerisDay) -> list[EphemerisRecord]:
    """Return the records of a day in order; a column that was not asked for is as if absent."""
    minutes = minutes_of(day.present)
    texts = _unpack_texts(day.columns.get("metadata"), len(minutes))
    places = [_unpack_place(day.columns.get(place), len(minutes)) for place in PLACES]
    return [
        EphemerisRecord(
            minute=day.day * DAY_MINUTES + minute,
            location_geo=geo,
            location_gsm=gsm,
            nbtrace=north,
            sbtrace=south,
            metadata_json=text,
        )
        for minute, text, geo, gsm, north, south in zip(minutes, texts, *places, strict=True)
    ]


def position_at(day: EphemerisDay, place: Place, minute: int) -> Position | None:
    """Return where the source was at a minute since 1970; None when it has no record then, or no place in it."""
    until = int.from_bytes(day.present, "big") >> (DAY_MINUTES - 1 - minute % DAY_MINUTES)
    if not until & 1:
        return None
    data, number = day.columns[place], until.bit_count() - 1
    count = len(data) // _DOUBLE // 2
    lat, lon = (struct.unpack_from("<d", data, _DOUBLE * at)[0] for at in (number % count, count + number % count))
    return None if math.isnan(lat) and math.isnan(lon) else Position(lat, lon)


def merge(old: EphemerisDay, new: EphemerisDay) -> EphemerisDay:
    """Return a day with the minutes of both; where both have one, that of `new`."""
    if int.from_bytes(old.present, "big") & ~int.from_bytes(new.present, "big") == 0:
        return new  # every minute is put again, as by an import that is done again
    return pack((*unpack(old), *unpack(new)))[0]


def cut(day: EphemerisDay, first_minute: int, until_minute: int) -> EphemerisDay | None:
    """Return the day without the minutes from `first_minute` until before `until_minute`; None when none is left."""
    kept = pack(record for record in unpack(day) if not first_minute <= record.minute < until_minute)
    return kept[0] if kept else None


def extent_of(days: Sequence[EphemerisDay]) -> Extent | None:
    """Return the extent of days in order, None of none."""
    if not days:
        return None
    first, last = (days[n].day * DAY_MINUTES + minutes_of(days[n].present)[n] for n in (0, -1))
    return Extent(sum(map(len, days)), first, last)


def shortest(place: bytes) -> bytes:
    """Return latitudes and longitudes, as one of each when the place does not move."""
    half = len(place) // 2
    lats, lons = place[:half], place[half:]
    # By their bytes: NaN is not equal to itself, and -0.0 is equal to 0.0.
    if lats == lats[:_DOUBLE] * (half // _DOUBLE) and lons == lons[:_DOUBLE] * (half // _DOUBLE):
        return lats[:_DOUBLE] + lons[:_DOUBLE]
    return place


def unpack_metadata(data: bytes) -> MetadataColumn:
    """Return a column of metadata.

    Raises:
        Undecodable: it is damaged.
    """
    try:
        plain = zlib.decompress(data)
        end = 4 + int(struct.unpack_from("<I", plain)[0])
        return MetadataColumn(tuple(json.loads(plain[end:])), plain[4:end])
    except (zlib.error, struct.error, ValueError) as error:
        raise Undecodable("ephemeris_damaged", f"the metadata of a day of ephemeris cannot be read: {error}") from error


def _pack_day(day: int, minutes: Mapping[int, EphemerisRecord]) -> EphemerisDay:
    records = [record for _, record in sorted(minutes.items())]
    bitmap = sum(1 << (DAY_MINUTES - 1 - minute) for minute in minutes)
    columns: dict[Column, bytes] = {
        place: _pack_place([getattr(record, place) or _NOWHERE for record in records]) for place in PLACES
    }
    columns["metadata"] = pack_texts([record.metadata_json for record in records])
    return EphemerisDay(day, bitmap.to_bytes(PRESENT_BYTES, "big"), columns)


def _pack_place(positions: list[Position]) -> bytes:
    count = len(positions)
    lats = struct.pack(f"<{count}d", *(position.lat for position in positions))
    lons = struct.pack(f"<{count}d", *(position.lon for position in positions))
    return shortest(lats + lons)


def _unpack_place(data: bytes | None, count: int) -> list[Position | None]:
    if data is None:
        return [None] * count
    numbers = struct.unpack(f"<{len(data) // _DOUBLE}d", data)
    if len(numbers) == 2:
        numbers = (numbers[0],) * count + (numbers[1],) * count
    pairs = zip(numbers[:count], numbers[count:], strict=True)
    return [None if math.isnan(lat) and math.isnan(lon) else Position(lat, lon) for lat, lon in pairs]


def pack_texts(texts: Sequence[str]) -> bytes:
    """Return the column of metadata of a day, from the text of each of its minutes."""
    places = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    codes = struct.pack(f"<{len(texts)}H", *(places[text] for text in texts)) if len(places) > 1 else b""
    return zlib.compress(struct.pack("<I", len(codes)) + codes + json.dumps(list(places)).encode(), _COMPRESSION)


def _unpack_texts(data: bytes | None, count: int) -> list[str]:
    if data is None:
        return ["{}"] * count
    texts, codes = unpack_metadata(data)
    if not codes:
        return [texts[0]] * count
    return [texts[code] for code in struct.unpack(f"<{count}H", codes)]
