"""Rows as the client reads them: JSON with exactly the keys that it takes, times in whole seconds without a zone."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.http.aurorax import SourceInfo
from services.kit.store.ephemeris import PLACES, EphemerisRecord, Position
from services.kit.store.records import DataProduct

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at_second(second: int) -> datetime:
    """Return the instant of a second since 1970."""
    return _EPOCH + timedelta(seconds=second)


def minute_of(time: datetime) -> int:
    """Return the minute since 1970 that holds an instant."""
    return int((time - _EPOCH).total_seconds() // 60)


def time_text(time: datetime) -> str:
    """Return a time in the one form that the client parses."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def to_json(row: Mapping[str, Any]) -> bytes:
    """Return a row as compact JSON."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def source_json(source: SourceInfo) -> bytes:
    """Return a source as results name it."""
    return to_json(source.model_dump())


def ephemeris_row(source: bytes, record: EphemerisRecord) -> bytes:
    """Return a record of ephemeris; `source` is its rendered source. An absent position has two nulls, never none."""
    places: dict[str, object] = {place: _position(getattr(record, place)) for place in PLACES}
    head = to_json({"epoch": time_text(at_second(record.minute * 60))} | places)[1:-1]
    return b'{"data_source":%b,%b,"metadata":%b}' % (source, head, record.metadata_json.encode())


def product_row(source: bytes, product: DataProduct) -> bytes:
    """Return a data product; `source` is its rendered source."""
    head = to_json(
        {
            "data_product_type": product.data_product_type,
            "start": time_text(product.start),
            "end": time_text(product.end),
            "url": product.url,
        }
    )[1:-1]
    return b'{"data_source":%b,%b,"metadata":%b}' % (source, head, product.metadata_json.encode())


def _position(position: Position | None) -> dict[str, float | None]:
    if position is None:
        return {"lat": None, "lon": None}
    return {"lat": position.lat, "lon": position.lon}
