"""Data sources as the client reads them: exactly the keys of a format, since it takes no others."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.http.sources import FORMATS, SchemaField, SourceFormat, SourceStats
from services.kit.sources import source_info
from services.kit.store.micros import from_micros
from services.kit.store.port import Store
from services.kit.store.records import SourceRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_view(source: SourceRecord, shown: SourceFormat, stats: SourceStats | None = None) -> dict[str, Any]:
    """Return the source in a format, with its statistics if they are given."""
    whole: dict[str, Any] = source_info(source).model_dump()
    if shown in {"with_metadata", "full_record"}:
        whole["metadata"] = json.loads(source.metadata_json)
    if shown == "full_record":
        whole["owner"] = source.owner
        whole["maintainers"] = source.maintainers
        whole["ephemeris_metadata_schema"] = _schema(source.ephemeris_metadata_schema_json)
        whole["data_product_metadata_schema"] = _schema(source.data_product_metadata_schema_json)
    view = {key: whole[key] for key in FORMATS[shown]}
    return view if stats is None else view | {"stats": stats.model_dump()}


async def read_stats(store: Store, source: SourceRecord) -> SourceStats:
    """Return how much there is of a source."""
    ephemeris = await store.ephemeris.extent(source.tenant, source.identifier)
    products = await store.data_products.extent(source.tenant, source.identifier)
    found: dict[str, Any] = {}
    if ephemeris is not None:
        first, last = (_EPOCH + timedelta(minutes=minute) for minute in (ephemeris.first, ephemeris.last))
        found |= {
            "ephemeris_count": ephemeris.total,
            "earliest_ephemeris_loaded": _text(first),
            "latest_ephemeris_loaded": _text(last),
        }
    if products is not None:
        found |= {
            "data_product_count": products.total,
            "earliest_data_product_loaded": _text(from_micros(products.first)),
            "latest_data_product_loaded": _text(from_micros(products.last)),
        }
    return SourceStats(**found)


def _text(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%dT%H:%M:%S}"


def _schema(text: str) -> list[Mapping[str, Any]]:
    return [SchemaField.model_validate(field).model_dump() for field in json.loads(text)]
