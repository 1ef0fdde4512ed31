"""Ephemeris that comes in packed columns: read, and checked whole."""

import struct
from datetime import date

from pydantic import ValidationError

from contracts.http.ephemeris import PLACES, EphemerisUpload, PackedDay, PackedMetadata
from services.gateway.bodies import to_metadata_text
from services.kit.errors import Refused
from services.kit.store.ephemeris import Column, EphemerisDay, pack_texts, shortest
from services.kit.store.records import SourceRecord

_FIRST_DAY = date(1970, 1, 1).toordinal()
_NOWHERE = struct.pack("<2d", float("nan"), float("nan"))


def read_days(body: bytes, _source: SourceRecord) -> list[EphemerisDay]:
    """Return the days of a body as the store keeps them: some milliseconds each.

    Raises:
        Refused: invalid_parameter and metadata_invalid, with the day and the column.
    """
    try:
        upload = EphemerisUpload.model_validate_json(body)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        wheres = [".".join(str(part)[:50] for part in item["loc"]) for item in items]
        reasons = [f"{where}: {item['msg']}" for where, item in zip(wheres, items, strict=True)]
        raise Refused("invalid_parameter", "; ".join(reasons).replace("Value error, ", "")) from None
    return [_day(day) for day in upload.days]


def _day(day: PackedDay) -> EphemerisDay:
    count = len(day)
    columns: dict[Column, bytes] = {place: shortest(getattr(day, place) or _NOWHERE) for place in PLACES}
    try:
        columns["metadata"] = pack_texts(_texts(day.metadata, count))
    except Refused as error:
        raise Refused(error.code, f"{day.day}: {error.detail}") from None
    return EphemerisDay(day.day.toordinal() - _FIRST_DAY, day.minutes, columns)


def _texts(metadata: PackedMetadata | None, count: int) -> list[str]:
    if metadata is None:
        return ["{}"] * count
    texts = [to_metadata_text(text) or "{}" for text in metadata.texts]
    if not metadata.codes:
        return texts * count
    return [texts[code] for code in struct.unpack(f"<{count}H", metadata.codes)]
