"""Ephemeris in packed columns: what `PUT /v1/ephemeris/{source}` takes, whole days at a time.

A day says which of its 1440 minutes have a record, and then each column end to end, so that a year of one source is
a few megabytes and no row is ever an object. Who sends a day and who takes it check it with the same code, this one.
"""

import base64
import binascii
import math
import sys
from array import array
from datetime import date
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from contracts.http.base import Request, Resource

Place = Literal["location_geo", "location_gsm", "nbtrace", "sbtrace"]
PLACES: tuple[Place, ...] = get_args(Place)
DAY_MINUTES = 1440
MOST_DAYS = 16
"""Days in one request: some 2 MB when every place moves, and what a store commits at once."""
FIRST_YEAR, LAST_YEAR = 1950, 2099
LEAST_LATITUDE, MOST_LATITUDE = -90.0, 90.0
LEAST_LONGITUDE, MOST_LONGITUDE = -180.0, 360.0
_PAIR_BYTES = 16
_CODE_BYTES = 2


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("bytes in base64") from None


Packed = Annotated[
    bytes, BeforeValidator(_decoded), PlainSerializer(lambda data: base64.b64encode(data).decode(), return_type=str)
]
"""Bytes, in JSON as base64."""


class PackedMetadata(Request):
    """The distinct metadata of a day, and per minute which of them it has; no codes: the one for all."""

    texts: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=DAY_MINUTES)]
    codes: Packed = b""
    """Little-endian uint16 per minute that has a record."""


class PackedDay(Request):
    """The minutes of one day, UTC, that have a record.

    A place is n latitudes, then n longitudes, for n minutes, as little-endian doubles in degrees; NaN in both where
    there is none at that minute. One latitude and one longitude stand for all minutes when it does not move.
    """

    day: date
    minutes: Packed
    """A bitmap of 1440 bits, the first minute in the highest bit of the first byte."""
    location_geo: Packed | None = None
    location_gsm: Packed | None = None
    nbtrace: Packed | None = None
    sbtrace: Packed | None = None
    metadata: PackedMetadata | None = None

    def __len__(self) -> int:
        """How many minutes have a record."""
        return int.from_bytes(self.minutes, "big").bit_count()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not FIRST_YEAR <= self.day.year <= LAST_YEAR:
            raise ValueError(f"day: a day of the years {FIRST_YEAR} to {LAST_YEAR}")
        if len(self.minutes) != DAY_MINUTES // 8 or not len(self):
            raise ValueError(f"minutes: {DAY_MINUTES // 8} bytes with at least one bit")
        for place in PLACES:
            data: bytes | None = getattr(self, place)
            if data is not None:
                _check_place(place, data, len(self))
        if self.metadata is not None:
            _check_codes(self.metadata, len(self))
        return self


class EphemerisUpload(Request):
    """Days of one source, in order."""

    days: Annotated[tuple[PackedDay, ...], Field(min_length=1, max_length=MOST_DAYS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        days = [day.day for day in self.days]
        if days != sorted(set(days)):
            raise ValueError("days: each once, in order")
        return self


class EphemerisStored(Resource):
    """What a request put into the store."""

    days: int
    minutes: int


def _check_place(place: Place, data: bytes, count: int) -> None:
    if len(data) not in {_PAIR_BYTES, _PAIR_BYTES * count}:
        raise ValueError(f"{place}: {_PAIR_BYTES * count} bytes for {count} minutes, or {_PAIR_BYTES} for all of them")
    numbers = array("d", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    lats, lons = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    _check_axis(f"{place}: latitudes", lats, LEAST_LATITUDE, MOST_LATITUDE)
    _check_axis(f"{place}: longitudes", lons, LEAST_LONGITUDE, MOST_LONGITUDE)
    if list(map(math.isnan, lats)) != list(map(math.isnan, lons)):
        raise ValueError(f"{place}: NaN in both of a minute, or in neither")


def _check_axis(what: str, values: "array[float]", least: float, most: float) -> None:
    known = [value for value in values if not math.isnan(value)]
    if known and not (least <= min(known) and max(known) <= most):
        raise ValueError(f"{what} from {least:g} to {most:g}")


def _check_codes(metadata: PackedMetadata, count: int) -> None:
    if not metadata.codes and len(metadata.texts) == 1:
        return
    if len(metadata.codes) != _CODE_BYTES * count:
        raise ValueError(f"metadata: {_CODE_BYTES * count} bytes of codes for {count} minutes, or one text and none")
    codes = array("H", metadata.codes)
    if sys.byteorder == "big":
        codes.byteswap()
    if max(codes) >= len(metadata.texts):
        raise ValueError(f"metadata: codes below {len(metadata.texts)}, one for each text")
