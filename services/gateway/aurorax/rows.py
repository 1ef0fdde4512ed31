"""Reading the rows of an upload: all of them are looked at before any is kept.

The body is decoded row by row, in a thread: others get their turn in between, and of a hundred thousand rows only what
is kept of them is in memory at once.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from contracts.http.source_records import DataProductUpload, EphemerisUpload, OfSource, Place
from services.gateway.bodies import to_metadata_text
from services.kit.aurorax import places_of
from services.kit.errors import Refused
from services.kit.store.ephemeris import EphemerisRecord, Position
from services.kit.store.records import DataProduct, SourceRecord

_SPACE = re.compile(r"[ \t\n\r]*")
_TIME = re.compile(r"[0-9T:.Z+-]{10,35}", re.ASCII)
_MOST_TOLD = 5
"""Rows that are told in one refusal."""

U = TypeVar("U", bound=OfSource)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Kind(Generic[U, R]):
    """What an upload holds, what is kept of a row, and what there may be one of: its key, and how clients call that."""

    model: type[U]
    keep: Callable[[U, SourceRecord], R]
    key_of: Callable[[R], Hashable]
    key_name: str

    def checked(self, value: object, source: SourceRecord) -> R:
        """Return what is kept of a row.

        Raises:
            ValidationError, Refused: what is wrong with it.
        """
        row = self.model.model_validate(value)
        check_source(row, source)
        return self.keep(row, source)


def read_ephemeris(body: bytes, source: SourceRecord) -> list[EphemerisRecord]:
    """Return the records of an upload, one a minute.

    Raises:
        Refused: records_invalid with the rows, their fields and what is wrong; bad_request, it is no JSON array.
    """
    return _read(_EPHEMERIS, body, source)


def read_products(body: bytes, source: SourceRecord) -> list[DataProduct]:
    """Return the data products of an upload, one per address.

    Raises:
        Refused: as `read_ephemeris`.
    """
    return _read(_PRODUCTS, body, source)


def check_source(named: OfSource, source: SourceRecord) -> None:
    """Return if the call means this source.

    Raises:
        Refused: invalid_parameter.
    """
    for name in ("program", "platform", "instrument_type"):
        if getattr(named, name) != getattr(source, name):
            triple = f"{source.program} / {source.platform} / {source.instrument_type}"
            raise Refused("invalid_parameter", f"{name}: the data source {source.identifier} is {triple}")


def _read(kind: _Kind[U, R], body: bytes, source: SourceRecord) -> list[R]:
    kept: dict[Hashable, tuple[int, R]] = {}
    wrong: list[str] = []
    for number, value in enumerate(_values(body), 1):
        problem = ""
        try:
            record = kind.checked(value, source)
        except ValidationError as error:
            problem = places_of(error)
        except Refused as error:
            problem = error.detail
        else:
            first, same = kept.setdefault(kind.key_of(record), (number, record))
            if same != record:
                problem = f"{kind.key_name}: record {first} has the same and other values"
        if problem:
            wrong.append(f"{_name(number, value)}: {problem}")
        if len(wrong) == _MOST_TOLD:
            wrong.append("there may be more")
            break
    if wrong:
        raise Refused("records_invalid", "; ".join(wrong))
    return [record for _, record in kept.values()]


def _values(body: bytes) -> Iterator[Any]:
    """Yield the items of a JSON array."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Refused("bad_request", "the body cannot be read: JSON in UTF-8 is needed") from None
    decoder = json.JSONDecoder(parse_constant=_refuse)
    place, number = _after(text, 0), 0
    if text[place : place + 1] != "[":
        raise Refused("bad_request", "the body must be a JSON array of records")
    place = _after(text, place + 1)
    more = text[place : place + 1] != "]"
    while more:
        number += 1
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            raise Refused("bad_request", f"record {number} is not JSON, or too deep: nothing was stored") from None
        yield value
        place = _after(text, place)
        more = text[place : place + 1] == ","
        if more:
            place = _after(text, place + 1)
    if text[place : place + 1] != "]" or _after(text, place + 1) != len(text):
        raise Refused("bad_request", f"the JSON array of records does not end behind record {number}")


def _name(number: int, value: object) -> str:
    """Return what a row is called: its place in the call, and its time, since the client sends rows in chunks."""
    time = value.get("epoch", value.get("start")) if isinstance(value, dict) else None
    return f"record {number} ({time})" if isinstance(time, str) and _TIME.fullmatch(time) else f"record {number}"


def _ephemeris(row: EphemerisUpload, _source: SourceRecord) -> EphemerisRecord:
    return EphemerisRecord(
        minute=row.epoch,
        location_geo=_position(row.location_geo),
        location_gsm=_position(row.location_gsm),
        nbtrace=_position(row.nbtrace),
        sbtrace=_position(row.sbtrace),
        metadata_json=to_metadata_text(row.metadata) or "{}",
    )


def _product(row: DataProductUpload, source: SourceRecord) -> DataProduct:
    return DataProduct(
        tenant=source.tenant,
        source=source.identifier,
        url=row.url,
        data_product_type=row.data_product_type,
        start=row.start,
        end=row.end,
        metadata_json=to_metadata_text(row.metadata) or "{}",
    )


def _position(place: Place | None) -> Position | None:
    return None if place is None or place.lat is None or place.lon is None else Position(place.lat, place.lon)


def _after(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_EPHEMERIS = _Kind(EphemerisUpload, _ephemeris, lambda record: record.minute, "epoch")
_PRODUCTS = _Kind(DataProductUpload, _product, lambda product: product.url, "url")
