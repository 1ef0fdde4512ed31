"""An installation that searches, on the embedded adapters, with two sites and a spacecraft that passes over them."""

import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from contracts.http.sources import SourceType
from services.gateway.service import create as create_gateway
from services.kit.platform import Platform
from services.kit.runtime import running
from services.kit.settings import load
from services.kit.store.ephemeris import EphemerisRecord, Position, pack
from services.kit.store.port import Store
from services.kit.store.records import DataProduct, SourceRecord
from services.result_store.service import create as create_result_store
from services.search.service import create as create_search
from services.submitter.service import create as create_submitter
from tests.support.documents import NOW
from tests.support.until import until

TENANT = "default"
FIRST_DAY = 18262
"""2020-01-01, counted from 1970."""
DAYS = 4
SITES = {46: ("gillam", 56.376723, -94.643664), 55: ("fort smith", 60.026, -111.93)}
_FIELDS = ("calgary_apa_ml_v1", "calgary_apa_ml_v1_confidence", "ml_cloud_v1", "calgary_cloud_ml_v1")
_GROUND_SCHEMA = json.dumps([{"field_name": name} for name in _FIELDS])
ALL = (create_result_store, create_search, create_submitter, create_gateway)


def conjunction_query(**given: Any) -> dict[str, Any]:
    """Return a search that finds something on every day."""
    return {
        "start": "2020-01-01T00:00:00",
        "end": "2020-01-04T23:59:59",
        "ground": [{"programs": ["themis-asi"], "platforms": ["gillam", "fort smith"]}],
        "space": [{"programs": ["swarm"]}],
        "conjunction_types": ["nbtrace"],
        "max_distances": {"ground1-space1": 500},
    } | given


async def load_sources(store: Store, tenant: str = TENANT, *, days: int = DAYS) -> None:
    """Put the sources with some days of ephemeris, and a keogram for each site and day."""
    for identifier, (name, lat, lon) in SITES.items():
        await store.sources.insert(
            _source(identifier, "themis-asi", name, "ground", tenant=tenant, schema=_GROUND_SCHEMA)
        )
        records = [_site_record(FIRST_DAY * 1440 + minute, lat, lon) for minute in range(days * 1440)]
        await store.ephemeris.put(tenant, identifier, pack(records))
        await store.data_products.put([_keogram(tenant, identifier, name, day) for day in range(days)])
    await store.sources.insert(_source(3, "swarm", "swarma", "leo", tenant=tenant, schema='[{"field_name": "state"}]'))
    await store.ephemeris.put(tenant, 3, pack(_orbit(FIRST_DAY * 1440 + m) for m in range(days * 1440)))


def _source(
    identifier: int, program: str, platform: str, kind: SourceType, *, tenant: str, schema: str
) -> SourceRecord:
    return SourceRecord(
        tenant=tenant,
        id=str(identifier),
        name=platform.title(),
        program=program,
        platform=platform,
        instrument_type="panchromatic ASI" if kind == "ground" else "footprint",
        source_type=kind,
        ephemeris_metadata_schema_json=schema,
        data_product_metadata_schema_json='[{"field_name": "level"}]',
        created_at=NOW,
        updated_at=NOW,
    )


def _site_record(minute: int, lat: float, lon: float) -> EphemerisRecord:
    cloudy = minute // 10 % 6 == 0
    text = json.dumps(
        {
            "calgary_apa_ml_v1": "classified as APA",
            "calgary_apa_ml_v1_confidence": 80 + minute // 10 % 20,
            "ml_cloud_v1": "classified as cloud" if cloudy else "not classified as cloud",
        }
    )
    here = Position(lat, lon)
    return EphemerisRecord(minute=minute, location_geo=here, nbtrace=here, metadata_json=text)


def _orbit(minute: int) -> EphemerisRecord:
    """A synthetic orbit of 95 minutes over the poles, that crosses midnight of each day near the sites."""
    angle = 2 * math.pi * (minute - FIRST_DAY * 1440 + 11) / 96
    lat, lon = 87 * math.sin(angle), (-98 + (minute % 1440 if minute % 1440 < 720 else minute % 1440 - 1440) * 0.02)
    here = Position(lat, lon)
    return EphemerisRecord(minute=minute, location_geo=here, nbtrace=here, metadata_json='{"state": "synthetic"}')


def _keogram(tenant: str, source: int, name: str, day: int) -> DataProduct:
    begins = NOW.replace(year=2020, month=1, day=1 + day, hour=0, minute=0, second=0, microsecond=0)
    return DataProduct(
        tenant=tenant,
        source=source,
        url=f"https://data.example.org/{name.replace(' ', '_')}_{day}.png",
        data_product_type="keogram",
        start=begins,
        end=begins.replace(hour=23, minute=59),
        metadata_json=json.dumps({"level": str(day)}),
    )


class Searching:
    """A running installation; `http` talks to it."""

    def __init__(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        self.app = app
        self.http = http
        self.platform: Platform = app.state.platform

    async def ask(self, query: Mapping[str, Any], kind: str = "conjunctions") -> str:
        """Ask; return the path of the status."""
        answer = await self.http.post(f"/api/v1/{kind}/search", json=query)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"]).removeprefix("http://test")

    async def status(self, path: str) -> dict[str, Any]:
        """Return the status document."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        document: dict[str, Any] = answer.json()
        return document

    async def end(self, path: str) -> dict[str, Any]:
        """Return the status once the client would stop to wait."""

        async def ended() -> bool:
            return (await self.status(path))["search_result"]["data_uri"] is not None

        await until(ended, timeout_s=45)
        return await self.status(path)

    async def rows(self, path: str) -> list[dict[str, Any]]:
        """Return the rows of a complete search."""
        answer = await self.http.get(f"{path}/data")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        rows: list[dict[str, Any]] = answer.json()["result"]
        return rows

    async def found(self, query: Mapping[str, Any], kind: str = "conjunctions") -> list[dict[str, Any]]:
        """Ask, wait and return the rows."""
        path = await self.ask(query, kind)
        status = await self.end(path)
        assert not status["search_result"]["error_condition"], status["logs"]
        rows = await self.rows(path)
        assert status["search_result"]["result_count"] == len(rows)
        return rows


@asynccontextmanager
async def searching(
    folder: Path, factories: Any = ALL, *, filled: bool = True, **settings: Any
) -> AsyncIterator[Searching]:
    """Run the services that a search takes; the sources are loaded once per folder, unless it is not to be filled."""
    async with running(load({}, data=folder, **settings), factories) as app:
        platform: Platform = app.state.platform
        if filled and await platform.store.sources.get(TENANT, "3") is None:
            await load_sources(platform.store)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=30) as http:
            yield Searching(app, http)
