"""Builders of what a store keeps of data sources."""

import math
from collections.abc import Iterable
from datetime import datetime

from contracts.http.sources import SourceType
from services.kit.store.ephemeris import EphemerisRecord, Position
from services.kit.store.records import DataProduct, SourceRecord
from tests.support.documents import NOW, TENANT, later

DAY = 18262
"""2020-01-01, counted from 1970."""
FIRST_MINUTE = DAY * 1440


def make_source(
    name: str = "gillam",
    *,
    tenant: str = TENANT,
    identifier: int = 46,
    program: str = "themis-asi",
    source_type: SourceType = "ground",
    created_at: datetime = NOW,
) -> SourceRecord:
    """A data source; `name` is its platform and what people are shown."""
    return SourceRecord(
        tenant=tenant,
        id=str(identifier),
        name=name,
        program=program,
        platform=name,
        instrument_type="panchromatic ASI",
        source_type=source_type,
        metadata_json='{"large": 123456789012345678901234567890}',
        maintainers=("a@example.org",),
        created_at=created_at,
        updated_at=created_at,
    )


def make_record(minute: int, *, lat: float | None = None, text: str = '{"a": 1}') -> EphemerisRecord:
    """A record of the first day's minute; a place moves unless `lat` holds it."""
    here = Position(math.sin(minute) * 90 if lat is None else lat, math.cos(minute) * 180)
    return EphemerisRecord(
        minute=FIRST_MINUTE + minute,
        location_geo=here,
        location_gsm=None,
        nbtrace=Position(here.lat, -here.lon),
        sbtrace=None if minute % 3 else Position(-here.lat, here.lon),
        metadata_json=text,
    )


def make_records(minutes: Iterable[int], *, lat: float | None = None, text: str = '{"a": 1}') -> list[EphemerisRecord]:
    """One record each."""
    return [make_record(minute, lat=lat, text=text) for minute in minutes]


def make_product(
    url: str = "https://data.example.org/a.jpg",
    *,
    tenant: str = TENANT,
    source: int = 46,
    kind: str = "keogram",
    start_s: float = 0,
    length_s: float = 60,
) -> DataProduct:
    """A data product that begins `start_s` after NOW."""
    return DataProduct(
        tenant=tenant,
        source=source,
        url=url,
        data_product_type=kind,
        start=later(start_s),
        end=later(start_s + length_s),
        metadata_json='{"large": 123456789012345678901234567890}',
    )
