"""The data set of sites and spacecraft is what its script writes, loads into a store, and can be searched."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from examples.space import dataset, make_data
from services.kit.errors import Conflict
from services.kit.store.sqlite import SqliteStore
from services.search.engine.columns import columns_for, columns_of, track_of
from services.search.engine.conjunctions import Pair
from services.search.engine.filters import read_filter
from services.search.engine.search import Terms, find
from services.search.engine.tracks import Span, Track
from tests.support.documents import NOW, TENANT

_DAYS = (make_data.FIRST_DAY, make_data.FIRST_DAY + make_data.DAYS)
_SPAN = Span(_DAYS[0] * 86400, _DAYS[1] * 86400)


def _numbers(source: dict[str, Any]) -> list[float]:
    return [value for place in ("location_geo", "nbtrace", "sbtrace") for column in source[place] for value in column]


def test_the_file_is_small_and_what_the_script_writes() -> None:
    assert dataset.DATA.stat().st_size < 1_000_000
    stored, made = json.loads(lzma.decompress(dataset.DATA.read_bytes())), make_data.build()
    for source, again in zip(stored["sources"], made["sources"], strict=True):
        # Rounded to hundredths, after functions whose last digit depends on the machine.
        assert _numbers(source) == pytest.approx(_numbers(again), abs=0.011)
        assert {name: source[name] for name in ("identifier", "runs", "metadata")} == {
            name: again[name] for name in ("identifier", "runs", "metadata")
        }
    assert stored["data_products"] == made["data_products"]


def test_everything_that_was_not_measured_is_marked() -> None:
    sources, products = dataset.read(TENANT, NOW)
    assert len(sources) == 30
    for source, records in sources:
        assert json.loads(source.metadata_json)["synthetic"] is True
        assert len(records) > 2000
    assert all(json.loads(product.metadata_json)["synthetic"] for product in products)


async def test_it_loads_twice_and_can_be_searched(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "store.sqlite") as store:
        for _ in range(2):
            assert await dataset.load(store, TENANT, NOW) == 30
        gillam = await store.sources.get(TENANT, "46")
        assert gillam is not None
        assert gillam.name == "THEMIS-ASI GILL"
        clear = read_filter([{"key": "calgary_cloud_ml_v1", "operator": "=", "values": ["classified as not cloudy"]}])
        columns = columns_for("nbtrace", metadata_filter=clear)
        found = await store.ephemeris.read(TENANT, range(1, 100), *_DAYS, columns)

        def tracks(*identifiers: int, **chosen: Any) -> list[Track]:
            return [
                track_of(columns_of(source, found[source], *_SPAN.minutes()), "nbtrace", **chosen)
                for source in identifiers
            ]

        terms = Terms(blocks=2, limits_km={Pair(0, 1): 500.0})
        sites = [source for source in range(44, 74) if found[source]]
        every = list(find(terms, [tracks(*sites), tracks(3, 29, 30)], _SPAN).rows())
        fewer = list(find(terms, [tracks(*sites, metadata_filter=clear), tracks(3, 29, 30)], _SPAN).rows())
        assert len(sites) == 24
        assert len(every) > len(fewer) > 10
        assert {row.sources[1] for row in every} == {3, 29, 30}
        assert all(0 <= row.min_km <= row.max_km <= 500 for row in every)


async def test_an_identifier_that_belongs_to_another_source_is_a_conflict(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "store.sqlite") as store:
        (first, *_), _ = dataset.read(TENANT, NOW)
        other = first.source.model_copy(update={"program": "another"})
        await store.sources.insert(other)
        with pytest.raises(Conflict, match="belongs to another source"):
            await dataset.load(store, TENANT, NOW)
