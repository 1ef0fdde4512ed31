"""`sightline search`: tables, CSV and JSON of what a running platform finds."""

import asyncio
import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyarrow import parquet

from services.kit.store.sqlite import SqliteStore
from sightline import Client
from tests.sightline.command.conftest import Run
from tests.support.searching import conjunction_query, load_sources
from tests.support.server import Server, clean_environment, serving

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
    assert rows[0]["sources"] == "themis-asi/gillam/panchromatic ASI + swarm/swarma/footprint"
    assert rows[0]["start"] == documents[0]["start"]
    assert [row["min_km"] for row in rows] == [repr(document["min_distance"]) for document in documents]
    first = table.stdout.splitlines()[1]
    assert re.search(r"themis-asi/gillam/panchromatic ASI +\+ swarm/swarma/footprint$", first)
    assert f" {documents[0]['min_distance']:.3f} " in first


def test_what_there_is_to_search_is_listed_with_its_extent(sightline: Run, sky: Server) -> None:
    table = sightline("search", "sources", url=sky.url).stdout.splitlines()
    assert table[0].split() == ["ID", "SOURCE", "TYPE", "MINUTES", "FROM", "TO", "PRODUCTS"]
    assert [line.split()[0] for line in table[1:]] == ["3", "46", "55"]
    assert table[1].split() == [
        *("3", "swarm/swarma/footprint", "leo", "5760", "2020-01-01T00:00:00", "2020-01-04T23:59:00", "0"),
    ]
    (gillam,) = sightline("search", "sources", "themis-asi/gillam", "--json", url=sky.url).documents
    assert (gillam["identifier"], gillam["instrument_type"]) == (46, "panchromatic ASI")
    assert gillam["stats"]["data_product_count"] == 4

    nothing = sightline("search", "sources", "themis-asi/nowhere", url=sky.url)
    assert (nothing.exit_code, nothing.stdout) == (3, "")
    assert nothing.stderr == "sightline: there is no data source themis-asi/nowhere; without it, this lists all\n"
    assert sightline("search", "sources", "a/b/c/d", url=sky.url).exit_code == 2


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
    assert {row["source"] for row in rows} == {"swarm/swarma/footprint"}
    documents = sightline("search", "ephemeris", *minutes, "--source", "swarm/swarma", "--json", url=sky.url).documents
    exact = [repr(document["location_geo"]["lat"]) for document in documents]
    assert [row["location_geo_lat"] for row in rows] == exact
    table = sightline("search", "ephemeris", *minutes, "--source", "swarm/swarma", url=sky.url).stdout
    assert f" {documents[0]['location_geo']['lat']:.6g} " in table
    assert exact[0] not in table
    products = sightline("search", "data-products", *SPAN, "--source", "themis-asi", "--json", url=sky.url).documents
    assert len(products) == 8


def test_rows_are_written_as_parquet_with_types(sightline: Run, sky: Server, tmp_path: Path) -> None:
    file = tmp_path / "found.parquet"
    documents = sightline("search", *NEAR, "--json", "--parquet", file, url=sky.url).documents
    table = parquet.read_table(file)
    assert table.num_rows == len(documents) > 0
    first = table.slice(0, 1).to_pylist()[0]
    assert first["start"] == datetime.fromisoformat(documents[0]["start"]).replace(tzinfo=UTC)
    assert first["min_distance"] == documents[0]["min_distance"]
    assert first["data_sources"] == documents[0]["data_sources"]
    assert first["events"][0]["e2_source"]["platform"] == "swarma"
    minutes = ("--start", "2020-01-01T00:00:00", "--end", "2020-01-01T00:02:00")
    alone = sightline("search", "ephemeris", *minutes, "--source", "swarm", "--parquet", file, url=sky.url)
    assert alone.stdout == ""
    assert "3 results" in alone.stderr
    rows = parquet.read_table(file).to_pylist()
    assert [row["epoch"].minute for row in rows] == [0, 1, 2]
    assert rows[0]["location_gsm"] == {"lat": None, "lon": None}
    assert json.loads(rows[0]["metadata"]) == {"state": "synthetic"}
    never = ("data-products", *SPAN, "--source", "themis-asi", "--type", "movie", "--parquet", file)
    assert sightline("search", *never, url=sky.url).exit_code == 0
    empty = parquet.read_table(file)
    assert (empty.num_rows, empty.column_names[-1]) == (0, "metadata")


def test_conjunctions_are_drawn_on_a_map(sightline: Run, sky: Server, tmp_path: Path) -> None:
    search_id = sightline("search", *NEAR, "--no-wait", url=sky.url).stdout.strip()
    drawn = sightline("search", "get", search_id, "--map", tmp_path / "map.png", url=sky.url)
    assert (drawn.exit_code, drawn.stdout) == (0, "")
    assert re.search(r"a map of \d+ conjunctions", drawn.stderr)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    other = sightline("search", "ephemeris", *SPAN, "--source", "swarm", "--no-wait", url=sky.url).stdout.strip()
    refused = sightline("search", "get", other, "--map", tmp_path / "none.png", url=sky.url)
    assert refused.exit_code == 2
    assert "draws conjunctions" in refused.stderr


@pytest.mark.parametrize(("option", "package"), [("--parquet", "pyarrow"), ("--map", "PIL")])
def test_a_package_that_is_missing_is_said_before_the_search_is_asked(
    sky: Server, tmp_path: Path, option: str, package: str
) -> None:
    without = f"import sys; sys.modules[{package!r}] = None; from sightline.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "search", *NEAR, option, str(tmp_path / "file")],
        env=clean_environment({"SIGHTLINE_URL": sky.url}),
        capture_output=True,
        text=True,
        check=False,
    )
    extra = option.removeprefix("--")
    assert (done.returncode, done.stdout) == (1, "")
    how = f"install the extra in Sightline's checkout: pip install -e '.[{extra}]'"
    assert done.stderr == f"sightline: {package} is not installed; {how}\n"


def test_a_search_is_waited_for_as_any_query(sky: Server) -> None:
    with Client(sky.url) as client:
        search_id = client.search("conjunction", conjunction_query())
        assert client.wait_for_result(search_id, timeout_s=20).state == "answered"
        assert len(client.search_places(search_id).places) == len(client.search_rows(search_id))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ephemeris", *SPAN, "--source", "no/such"), "--source no/such: no data source has these programs"),
        (("data-products", *SPAN, "--source", "no"), "--source no: no data source has these programs"),
        ((*NEAR[:1], "--start", "noon", *NEAR[3:]), "--start: a time like 2020-01-01T00:00:00"),
        ((*NEAR, "--type", "north"), "--type: Input should be 'nbtrace'"),
        ((*NEAR, "--place", "91,0"), "--place 91,0: Input should be less than or equal to 90"),
        ((*NEAR, "--ground", "a" * 201), f"--ground {'a' * 201}: String should have at most 200 characters"),
    ],
)
def test_a_search_that_is_refused_is_told_in_the_words_of_the_options(
    sightline: Run, sky: Server, arguments: tuple[str, ...], says: str
) -> None:
    refused = sightline("search", *arguments, url=sky.url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"sightline: {says}")
    assert len(refused.stderr.splitlines()) == 1


def test_a_query_of_ones_own_that_is_refused_is_told_in_its_own_words(sightline: Run, sky: Server) -> None:
    query = json.dumps(conjunction_query(space=[{"programs": ["nowhere"]}]))
    refused = sightline("search", "conjunctions", "--query", "-", stdin=query, url=sky.url)
    assert refused.stderr.startswith("sightline: space1: no data source has these programs")


def test_what_is_wrong_is_one_line(sightline: Run, sky: Server) -> None:
    refused = sightline("search", "conjunctions", *SPAN, "--ground", "nowhere", "--space", "swarm", url=sky.url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    rule = "no data source has these programs, platforms, instrument types"
    assert refused.stderr == f"sightline: --ground nowhere: {rule}\n"
    assert sightline("search", "conjunctions", url=sky.url).exit_code == 2
    alone = sightline("search", *NEAR[:7], url=sky.url)
    assert alone.exit_code == 2
    assert alone.stderr == "sightline: give 2 to 10 of --ground, --space and --place; there are 1\n"
    assert sightline("search", *NEAR, "--csv", "--json", url=sky.url).exit_code == 2
    nowhere = sightline("search", *NEAR, "--parquet", "/nowhere/at/all", url=sky.url)
    assert (nowhere.exit_code, nowhere.stdout) == (2, "")
    assert "there is no such folder" in nowhere.stderr
    assert sightline("search", "get", "sr_" + "0" * 27, url=sky.url).exit_code == 3
