"""The committed data set: reading it, and loading it into a store."""

import json
import lzma
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from services.kit.errors import Conflict
from services.kit.store.ephemeris import EphemerisRecord, Position, pack
from services.kit.store.port import Store
from services.kit.store.records import DataProduct, SourceRecord

DATA = Path(__file__).resolve().parent / "data.json.xz"
_PLACES = ("location_geo", "nbtrace", "sbtrace")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SourceData(NamedTuple):
    """A source and its ephemeris."""

    source: SourceRecord
    records: list[EphemerisRecord]


def read(tenant: str, now: datetime, path: Path = DATA) -> tuple[list[SourceData], list[DataProduct]]:
    """Return the sources with their ephemeris, and the data products."""
    data = json.loads(lzma.decompress(path.read_bytes()))
    sources = [SourceData(_source(each, tenant, now), _records(each)) for each in data["sources"]]
    return sources, [_product(each, tenant) for each in data["data_products"]]


async def load(store: Store, tenant: str, now: datetime, path: Path = DATA) -> int:
    """Put everything into the store; return how many sources. Done again it changes nothing.

    Raises:
        Conflict: another source has one of the triples.
    """
    sources, products = read(tenant, now, path)
    for source, records in sources:
        stored = await store.sources.get(tenant, source.id)
        if stored is None:
            await store.sources.insert(source)
        elif stored.unique_name != source.unique_name:
            raise Conflict(f"the identifier {source.id} belongs to another source, {stored.name!r}")
        await store.ephemeris.put(tenant, source.identifier, pack(records))
    await store.data_products.put(products)
    return len(sources)


def _source(given: dict[str, Any], tenant: str, now: datetime) -> SourceRecord:
    return SourceRecord(
        tenant=tenant,
        id=str(given["identifier"]),
        name=given["display_name"],
        program=given["program"],
        platform=given["platform"],
        instrument_type=given["instrument_type"],
        source_type=given["source_type"],
        metadata_json=json.dumps(given["metadata"]),
        ephemeris_metadata_schema_json=json.dumps(_schema(given["texts"])),
        created_at=now,
        updated_at=now,
    )


def _schema(texts: list[str]) -> list[dict[str, Any]]:
    """The fields of the metadata with the values that they have."""
    values: dict[str, list[str]] = {}
    for text in texts:
        for key, value in json.loads(text).items():
            values.setdefault(key, []).append(value)
    return [
        {
            "field_name": key,
            "description": "synthetic",
            "data_type": "string",
            "allowed_values": list(dict.fromkeys(found)),
            "additional_description": "",
            "searchable": True,
        }
        for key, found in values.items()
    ]


def _records(given: dict[str, Any]) -> list[EphemerisRecord]:
    minutes = [minute for first, until in given["runs"] for minute in range(first, until)]
    places = {place: _positions(given[place], len(minutes)) for place in _PLACES}
    texts = [given["texts"][int(code)] for code in given["codes"]]
    return [
        EphemerisRecord(minute=minute, location_geo=geo, nbtrace=north, sbtrace=south, metadata_json=text)
        for minute, text, geo, north, south in zip(minutes, texts, *(places[place] for place in _PLACES), strict=True)
    ]


def _positions(columns: list[list[float]], count: int) -> list[Position]:
    lats, lons = columns
    if len(lats) == 1:
        return [Position(lats[0], lons[0])] * count
    return [Position(lat, lon) for lat, lon in zip(lats, lons, strict=True)]


def _product(given: dict[str, Any], tenant: str) -> DataProduct:
    return DataProduct(
        tenant=tenant,
        source=given["source"],
        url=given["url"],
        data_product_type=given["data_product_type"],
        start=_EPOCH + timedelta(minutes=given["start_minute"]),
        end=_EPOCH + timedelta(minutes=given["end_minute"]),
        metadata_json='{"synthetic": true}',
    )
