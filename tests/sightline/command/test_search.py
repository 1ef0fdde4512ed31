"""`sightline search`: tables, CSV and JSON of what a running platform finds."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.store.sqlite import SqliteStore
from tests.sightline.command.conftest import Run
from tests.support.searching import conjunction_query, load_sources
from tests.support.server import Server, serving

SPAN = ("--start", "2020-01-01T00:00:00", "--end", "2020-01-04T23:59:59")
NEAR = ("conjunctions", *SPAN, "--ground", "themis-asi/gillam,fort smith", "--space", "swarm")


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform with two sites and a spacecraft."""
    folder = tmp_path_factory.mktemp("sky")

    async def load() -> None:
        async with SqliteStore(folder / "store.sqlite") as store:
            await load_sources(store)

    asyncio.run(load())
    with serving(folder, environment={"SIGHTLINE_SEARCH_PART_DAYS": "1"}) as running:
        yield running


def test_conjunctions_are_shown_as_a_table_csv_and_json(sightline: Run, sky: Server) -> None:
    table = sightline("search", *NEAR, url=sky.url)
    assert table.exit_code == 0, table.stderr
    assert table.stdout.splitlines()[0].split() == ["TYPE", "START", "END", "MIN_KM", "MAX_KM", "CLOSEST", "SOURCES"]
    rows = list(csv.DictReader(io.StringIO(sightline("search", *NEAR, "--csv", url=sky.url).stdout)))
    documents = sightline("search", *NEAR, "--json", url=sky.url).documents
    assert len(rows) == len(documents) == len(table.stdout.splitlines()) - 1 > 0
    assert rows[0]["sources"] == "themis-asi/gillam + swarm/swarma"
    assert rows[0]["start"] == documents[0]["start"]


def test_a_search_is_asked_now_and_read_later_by_its_id(sightline: Run, sky: Server, tmp_path: Path) -> None:
    path = tmp_path / "query.json"
    path.write_text(json.dumps(conjunction_query()))
    asked = sightline("search", "conjunctions", "--query", path, "--no-wait", url=sky.url)
    search_id = asked.stdout.strip()
    rows = sightline("search", "get", search_id, "--json", url=sky.url).documents
    shown = sightline("search", "status", search_id, url=sky.url).stdout
    assert "4 of 4" in shown
    assert str(len(rows)) in shown
    assert sightline("search", "cancel", search_id, url=sky.url).exit_code == 1  # it has ended


def test_ephemeris_and_data_products_are_shown(sightline: Run, sky: Server) -> None:
    minutes = ("--start", "2020-01-01T00:00:00", "--end", "2020-01-01T00:02:00")
    found = sightline("search", "ephemeris", *minutes, "--source", "swarm/swarma", "--csv", url=sky.url)
    rows = list(csv.DictReader(io.StringIO(found.stdout)))
    assert [row["epoch"] for row in rows] == [f"2020-01-01T00:0{minute}:00" for minute in range(3)]
    assert rows[0]["location_gsm_lat"] == ""
    products = sightline("search", "data-products", *SPAN, "--source", "themis-asi", "--json", url=sky.url).documents
    assert len(products) == 8


def test_what_is_wrong_is_one_line(sightline: Run, sky: Server) -> None:
    refused = sightline("search", "conjunctions", *SPAN, "--ground", "nowhere", "--space", "swarm", url=sky.url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "ground1: no data source" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert sightline("search", "conjunctions", url=sky.url).exit_code == 2
    assert sightline("search", "get", "sr_" + "0" * 27, url=sky.url).exit_code == 3
