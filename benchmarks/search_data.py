"""What `benchmarks.search` searches: the sites and orbits of examples/space, at every minute of any number of days."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.space.orbits import ORBITS, ground_track, northern_trace
from examples.space.sites import SITES as PLACES
from services.kit.store.ephemeris import PRESENT_BYTES, Column, EphemerisDay, EphemerisRecord, Position, pack
from services.kit.store.sqlite import SqliteStore
from services.search.engine.conjunctions import Conjunctions, Pair
from services.search.engine.search import Terms

Floats = NDArray[np.float64]

LIMIT_KM = 500.0
TERMS = Terms(blocks=2, limits_km={Pair(0, 1): LIMIT_KM})
TENANT = "benchmark"
FIRST_DAY = 17897
"""2019-01-01, counted from 1970."""
SITES = tuple(site.identifier for site in PLACES)
SPACECRAFT = tuple(orbit.identifier for orbit in ORBITS)
_DAY = 1440
_ARRAYS = ("trace", "sources", "start_s", "end_s", "closest_s", "farthest_s", "pair_min_km", "pair_max_km")


async def fill(path: Path, days: int) -> None:
    """Make a store with every source at every minute."""
    async with SqliteStore(path) as store:
        for site in PLACES:
            here = Position(site.lat, site.lon)
            (day,) = pack(EphemerisRecord(minute=n, location_geo=here, nbtrace=here) for n in range(_DAY))
            copies = [EphemerisDay(FIRST_DAY + n, day.present, day.columns) for n in range(days)]
            await store.ephemeris.put(TENANT, site.identifier, copies)
        for orbit in ORBITS:
            minutes = np.arange(FIRST_DAY * _DAY, (FIRST_DAY + days) * _DAY)
            lat, lon = ground_track(orbit, minutes)
            trace = northern_trace(orbit, lat)
            rows = zip(*(column.reshape(days, _DAY) for column in (lat, trace, lon)), strict=True)
            packed = [_day(FIRST_DAY + n, *columns) for n, columns in enumerate(rows)]
            await store.ephemeris.put(TENANT, orbit.identifier, packed)


def save(path: Path, table: Conjunctions) -> None:
    """Write the rows of a part."""
    np.savez(path, **{name: getattr(table, name) for name in _ARRAYS})


def restore(path: Path) -> Conjunctions:
    """Read them again."""
    with np.load(path) as arrays:
        return Conjunctions(TERMS.counted, *(arrays[name] for name in _ARRAYS))


def _day(day: int, lat: Floats, trace: Floats, lon: Floats) -> EphemerisDay:
    (bare,) = pack([EphemerisRecord(minute=day * _DAY)])
    columns: dict[Column, bytes] = {
        **bare.columns,
        "location_geo": np.concatenate((lat, lon)).astype("<f8").tobytes(),
        "nbtrace": np.concatenate((trace, lon)).astype("<f8").tobytes(),
        "sbtrace": np.concatenate((-trace, lon)).astype("<f8").tobytes(),
    }
    return EphemerisDay(day, b"\xff" * PRESENT_BYTES, columns)
