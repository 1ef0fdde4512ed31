"""`sightline data-products` and `sightline ephemeris delete`: from files into a running platform, and out of it."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import Client
from tests.sightline.command.conftest import Run
from tests.support.orbits import rows as minutes
from tests.support.orbits import write_csv
from tests.support.server import Server, serving

COLUMNS = ("data_product_type", "start", "end", "url", "metadata")
SOURCE = ("--source", "sky/gillam/camera")
YEAR = ("--start", "2020-01-01T00:00:00", "--end", "2020-12-31T23:59:59")
MORE_THAN_A_CALL = 2003


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform with three sources, two of them at one place, and no records."""
    with serving(tmp_path_factory.mktemp("sky")) as running:
        with Client(running.url) as client:
            for platform, instrument in (("gillam", "camera"), ("rankin", "camera"), ("gillam", "radar")):
                client.create_data_source(
                    program="sky",
                    platform=platform,
                    instrument_type=instrument,
                    source_type="ground",
                    display_name=platform,
                )
        yield running


@pytest.fixture
def _emptied(sightline: Run, sky: Server) -> Iterator[None]:
    """Leave no data product behind."""
    yield
    ran = sightline("data-products", "delete", *SOURCE, *YEAR, "--yes", url=sky.url)
    assert ran.exit_code == 0, ran.stderr


def row(number: int = 0, **other: str) -> dict[str, str]:
    """Return the cells of a data product."""
    day = f"2020-01-{1 + number % 28:02}"
    kind = "keogram" if number % 2 == 0 else "montage"
    cells = {"data_product_type": kind, "start": f"{day}T00:00:00", "end": f"{day}T23:59:00", "url": f"u/{number}.jpg"}
    return {**cells, "metadata": json.dumps({"number": number}), **other}


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write a CSV as a spreadsheet does, with a byte order mark."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def stored(sightline: Run, sky: Server, *how: str) -> str:
    """Return what a search finds of the source."""
    ran = sightline("search", "data-products", *YEAR, "--source", "sky/gillam", *how, url=sky.url)
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


@pytest.mark.usefixtures("_emptied")
def test_a_file_of_several_calls_is_there_once_however_often_it_is_put(
    sightline: Run, sky: Server, tmp_path: Path
) -> None:
    path = write(tmp_path / "p.csv", [*(row(number) for number in range(MORE_THAN_A_CALL)), row(0)])
    for _ in range(2):
        ran = sightline("data-products", "import", path, *SOURCE, "--json", url=sky.url)
        assert ran.exit_code == 0, ran.stderr
        assert ran.documents == [
            {
                "source": 1,
                "products": MORE_THAN_A_CALL,
                "types": {"keogram": 1002, "montage": 1001},
                "first": "2020-01-01T00:00:00",
                "last": "2020-01-28T23:59:00",
            }
        ]
        found = [json.loads(line) for line in stored(sightline, sky, "--json").splitlines()]
        assert {one["url"]: one["metadata"]["number"] for one in found} == {
            f"u/{number}.jpg": number for number in range(MORE_THAN_A_CALL)
        }
        assert len(found) == MORE_THAN_A_CALL


@pytest.mark.usefixtures("_emptied")
@pytest.mark.parametrize("how", ["csv", "json"])
def test_what_a_search_prints_is_imported_again_and_only_into_its_source(
    sightline: Run, sky: Server, tmp_path: Path, how: str
) -> None:
    path = write(tmp_path / "p.csv", [row(1), row(2)])
    shown = sightline("data-products", "import", path, *SOURCE, url=sky.url).stdout
    assert "keogram (1), montage (1)" in shown
    printed = tmp_path / ("printed.csv" if how == "csv" else "printed.jsonl")
    printed.write_text(stored(sightline, sky, f"--{how}"), encoding="utf-8")
    before = stored(sightline, sky, "--json")
    assert sightline("data-products", "delete", *SOURCE, *YEAR, "--yes", url=sky.url).exit_code == 0
    assert stored(sightline, sky, "--json") == ""
    for another in ("sky/rankin", "sky/gillam/radar"):
        other = sightline("data-products", "import", printed, "--source", another, url=sky.url)
        assert other.exit_code == 1
        assert "is another source than" in other.stderr
    assert sightline("data-products", "import", printed, *SOURCE, url=sky.url).exit_code == 0
    assert stored(sightline, sky, "--json") == before


@pytest.mark.usefixtures("_emptied")
def test_a_file_may_call_the_source_by_program_and_platform_as_older_ones_do(
    sightline: Run, sky: Server, tmp_path: Path
) -> None:
    path = tmp_path / "p.csv"
    cells = "data_product_type,start,end,url,source\nkeogram,2020-01-01T00:00:00,2020-01-02T00:00:00,u,{}\n"
    path.write_text(cells.format("sky/gillam"))
    assert sightline("data-products", "import", path, *SOURCE, url=sky.url).exit_code == 0
    path.write_text(cells.format("sky/gillam/radar"))
    other = sightline("data-products", "import", path, *SOURCE, url=sky.url)
    says = "line 2, column source: 'sky/gillam/radar' is another source than sky/gillam/camera"
    assert other.stderr == f"sightline: {path}, {says}\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("sky/gilam/camera", "like it: sky/gillam/camera, "),
        ("SKY/Rankin", "like it: sky/rankin/camera"),
        ("77", ""),
    ],
)
def test_a_source_that_is_not_there_is_told_with_those_like_it(
    sightline: Run, sky: Server, tmp_path: Path, source: str, says: str
) -> None:
    path = write(tmp_path / "p.csv", [row()])
    ran = sightline("data-products", "import", path, "--source", source, url=sky.url)
    assert ran.exit_code == 3
    assert ran.stderr.startswith(f"sightline: there is no data source {source}; {says}")
    assert ran.stderr.endswith("sightline search sources lists all\n")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (row(7, start="2020-01-09T00:00:00"), "line 4: end must not lie before start"),
        (row(7, start="2020-01-08T00:00:00.5"), "line 4, column start: without fractions of a second"),
        (row(7, end="1949-12-31"), "line 4, column end: a time like 2020-01-01T00:00:00Z"),
        (row(7, url=""), "line 4, column url: Field required"),
        (row(7, url="a\tb"), "line 4, column url: String should match pattern"),
        (row(7, metadata="[1]"), "line 4, column metadata: Input should be a valid dictionary"),
        (row(7, metadata='{"a": NaN}'), "line 4, column metadata: it is not JSON: NaN is no number of JSON"),
        (row(7, metadata='{"a": 1, "a": 2}'), "line 4, column metadata: it is not JSON: a key is there twice"),
        (row(7, metadata=json.dumps({"a": "x" * 4096})), "column metadata: metadata may have 4096 characters"),
        (row(7, metadata=r'{"a": "\ud800"}'), "column metadata: metadata holds half of a surrogate pair"),
        (row(6, url="u/5.jpg"), "line 4, column url: line 3 has the same and other values"),
    ],
)
def test_nothing_of_a_bad_file_is_stored(
    sightline: Run, sky: Server, tmp_path: Path, bad: dict[str, str], says: str
) -> None:
    path = write(tmp_path / "p.csv", [row(4), row(5), bad, row(8)])
    ran = sightline("data-products", "import", path, *SOURCE, url=sky.url)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"sightline: {path}, line 4")
    assert says in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert stored(sightline, sky, "--json") == ""


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (("p.csv", b""), "line 1: there is no column data_product_type"),
        (("p.csv", b"data_product_type,start,end,url\n"), "there is no data product in it"),
        (("p.csv", b"data_product_type;start;end;url\n"), "line 1: 'data_product_type;start;end;url' is none of"),
        (("p.csv", b"url,url,start,end\n"), "line 1, column url: it is there twice"),
        (("p.csv", b"data_product_type,start,end,url\na,b\n"), "line 2: 2 cells for 4 columns"),
        (("p.csv", b'data_product_type,start,end,url\n"a,b,c,d\n'), "line 2: it is no row of CSV"),
        (("p.csv", b"data_product_type,start,end,url\xff\n"), "it is not text in UTF-8"),
        (("p.jsonl", b'\n{"url": \n'), "line 2: it is not JSON"),
        (("p.jsonl", b"3\n"), "line 1: it is no JSON object"),
        (("p.jsonl", json.dumps({**row(), "metadata": None, "more": 1}).encode()), "line 1, column more: Extra inputs"),
        (("p.txt", b""), "it needs a name that ends with .csv"),
    ],
)
def test_what_is_no_file_of_data_products_is_one_line(
    sightline: Run, sky: Server, tmp_path: Path, file: tuple[str, bytes], says: str
) -> None:
    path = tmp_path / file[0]
    path.write_bytes(file[1])
    ran = sightline("data-products", "import", path, *SOURCE, url=sky.url)
    assert ran.exit_code == 1
    assert says in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.usefixtures("_emptied")
def test_data_products_are_deleted_by_address_and_by_span(sightline: Run, sky: Server, tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", [row(number) for number in range(6)])
    assert sightline("data-products", "import", path, *SOURCE, url=sky.url).exit_code == 0

    def delete(*which: str) -> str:
        ran = sightline("data-products", "delete", *SOURCE, *which, "--yes", url=sky.url)
        assert ran.exit_code == 0, ran.stderr
        return ran.stdout

    unsure = sightline("data-products", "delete", *SOURCE, *YEAR, url=sky.url)
    assert unsure.exit_code == 2
    assert "Delete 6 data products of 1 sky/gillam/camera? Say --yes" in unsure.stderr
    assert (
        delete("--product-url", "u/0.jpg", "--product-url", "none") == "1 sky/gillam/camera: 1 data products deleted\n"
    )
    span = ("--start", "2020-01-02T00:00:00", "--end", "2020-01-05T23:58:59")  # number 4 ends behind it
    assert delete(*span, "--type", "montage").endswith(": 2 data products deleted\n")
    assert delete(*span).endswith(": 1 data products deleted\n")
    left = [json.loads(line)["url"] for line in stored(sightline, sky, "--json").splitlines()]
    assert left == ["u/4.jpg", "u/5.jpg"]


def test_ephemeris_is_deleted_by_span(sightline: Run, sky: Server, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "e.csv", minutes(100))
    assert sightline("ephemeris", "import", path, *SOURCE, url=sky.url).exit_code == 0
    first = ("--start", "2020-01-01T00:00", "--end", "2020-01-01T00:59")
    assert sightline("ephemeris", "delete", *SOURCE, *first, url=sky.url).exit_code == 2
    for count in (60, 0):
        ran = sightline("ephemeris", "delete", *SOURCE, *first, "--yes", url=sky.url)
        assert ran.stdout == f"1 sky/gillam/camera: {count} records deleted\n", ran.stderr
    found = sightline("search", "ephemeris", *YEAR, "--source", "sky/gillam", "--json", url=sky.url).documents
    assert [found[0]["epoch"], len(found)] == ["2020-01-01T01:00:00", 40]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("data-products", "delete", *SOURCE), 2, "give either --product-url, or --start and --end"),
        (("data-products", "delete", *SOURCE, *YEAR, "--product-url", "a"), 2, "give either --product-url, or"),
        (("data-products", "delete", *SOURCE, *YEAR[:2]), 2, "--start and --end go together"),
        (("ephemeris", "delete", *SOURCE, "--start", "x", "--end", "2020-01-01"), 2, "--start is a time like"),
        (("ephemeris", "delete", *SOURCE, "--start", "2020-01-02", "--end", "2020-01-01"), 2, "must not lie before"),
        (("ephemeris", "delete", "--source", "no/such", *YEAR, "--yes"), 3, "there is no data source no/such"),
        (("data-products", "import", "missing.csv", *SOURCE), 1, "missing.csv: No such file or directory"),
    ],
)
def test_what_was_not_meant_is_one_line(
    sightline: Run, sky: Server, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    ran = sightline(*arguments, url=sky.url)
    assert ran.exit_code == exit_code
    assert says in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
