"""What is searched: the sites and orbits of examples/space, at every minute of any number of days."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.http.sources import SourceType
from examples.space.orbits import ORBITS, Orbit, ground_track, northern_trace
from examples.space.sites import SITES as PLACES
from examples.space.sites import Site
from services.kit.store.ephemeris import PRESENT_BYTES, Column, EphemerisDay, EphemerisRecord, Position, pack
from services.kit.store.port import Store
from services.kit.store.records import SourceRecord
from services.search.engine.conjunctions import Pair
from services.search.engine.search import Terms

Floats = NDArray[np.float64]

LIMIT_KM = 500.0
TERMS = Terms(blocks=2, limits_km={Pair(0, 1): LIMIT_KM})
TENANT = "benchmark"
FIRST_DAY = 17897
"""2019-01-01, counted from 1970."""
START = datetime(2019, 1, 1, tzinfo=UTC)
SITES = tuple(site.identifier for site in PLACES)
SPACECRAFT = tuple(orbit.identifier for orbit in ORBITS)
_DAY = 1440


async def fill(store: Store, days: int) -> None:
    """Put every source, at every minute."""
    for site in PLACES:
        await store.sources.insert(_source(site.identifier, "themis-asi", site.platform, "ground"))
    for orbit in ORBITS:
        kind: SourceType = "heo" if orbit.source_type == "heo" else "leo"
        await store.sources.insert(_source(orbit.identifier, orbit.program, orbit.platform, kind))
    puts = [(site.identifier, _site_days(site, days)) for site in PLACES]
    puts += [(orbit.identifier, _orbit_days(orbit, days)) for orbit in ORBITS]
    await asyncio.gather(*(store.ephemeris.put(TENANT, source, packed) for source, packed in puts))


def conjunction_query(days: int, **more: Any) -> dict[str, Any]:
    """Return the query of the first `days` days: every site, every spacecraft."""
    return {
        **_span(days),
        "ground": [{"programs": ["themis-asi"]}],
        "space": [{"programs": ["swarm", "themis"]}],
        "max_distances": {"ground1-space1": LIMIT_KM},
        **more,
    }


def ephemeris_query(days: int) -> dict[str, Any]:
    """Return the query of every record of the first `days` days."""
    return {**_span(days), "data_sources": {"programs": ["themis-asi", "swarm", "themis"]}}


def _span(days: int) -> dict[str, str]:
    end = START + timedelta(days=days, seconds=-1)
    return {"start": f"{START:%Y-%m-%dT%H:%M:%S}", "end": f"{end:%Y-%m-%dT%H:%M:%S}"}


def _source(identifier: int, program: str, platform: str, kind: SourceType) -> SourceRecord:
    return SourceRecord(
        tenant=TENANT,
        id=str(identifier),
        name=f"{program} {platform}",
        program=program,
        platform=platform,
        instrument_type="panchromatic ASI" if kind == "ground" else "footprint",
        source_type=kind,
        metadata_json='{"synthetic": true}',
        created_at=START,
        updated_at=START,
    )


def _site_days(site: Site, days: int) -> list[EphemerisDay]:
    north, south = Position(site.lat, site.lon), Position(-site.lat, site.lon)
    records = (EphemerisRecord(minute=n, location_geo=north, nbtrace=north, sbtrace=south) for n in range(_DAY))
    (day,) = pack(records)
    return [EphemerisDay(FIRST_DAY + n, day.present, day.columns) for n in range(days)]


def _orbit_days(orbit: Orbit, days: int) -> list[EphemerisDay]:
    lat, lon = ground_track(orbit, np.arange(FIRST_DAY * _DAY, (FIRST_DAY + days) * _DAY))
    trace = northern_trace(orbit, lat)
    rows = zip(*(column.reshape(days, _DAY) for column in (lat, trace, lon)), strict=True)
    return [_day(FIRST_DAY + n, *columns) for n, columns in enumerate(rows)]


def _day(day: int, lat: Floats, trace: Floats, lon: Floats) -> EphemerisDay:
    (bare,) = pack([EphemerisRecord(minute=day * _DAY)])
    columns: dict[Column, bytes] = {
        **bare.columns,
        "location_geo": np.concatenate((lat, lon)).astype("<f8").tobytes(),
        "nbtrace": np.concatenate((trace, lon)).astype("<f8").tobytes(),
        "sbtrace": np.concatenate((-trace, lon)).astype("<f8").tobytes(),
    }
    return EphemerisDay(day, b"\xff" * PRESENT_BYTES, columns)
