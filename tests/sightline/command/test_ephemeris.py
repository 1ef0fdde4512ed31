"""`sightline ephemeris`: from files, elements and sites into a running platform, and found by its searches."""

import csv
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sightline.command.conftest import Ran, Run
from tests.support.orbits import ISS, rows, write_csv
from tests.support.server import ROOT, Server, serving

DAY = ("--start", "2014-01-20T00:00", "--end", "2014-01-20T23:59")
SPAN = ("--start", "2014-01-20T00:00:00", "--end", "2014-01-20T23:59:00")


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform without any data."""
    with serving(tmp_path_factory.mktemp("sky")) as running:
        yield running


@pytest.fixture
def elements(tmp_path: Path) -> Path:
    """A file of elements."""
    path = tmp_path / "iss.tle"
    path.write_text("\n".join(["ISS (ZARYA)", *ISS]))
    return path


def stored(sightline: Run, server: Server, source: str) -> list[dict[str, str]]:
    """Return what a search finds of a source on the days of these tests."""
    found = sightline("search", "ephemeris", *SPAN, "--source", source, "--csv", url=server.url)
    return list(csv.DictReader(io.StringIO(found.stdout)))


def facts(ran: Ran) -> dict[str, str]:
    """Return the names and values that a command printed."""
    assert ran.exit_code == 0, ran.stderr
    return dict(line.split("  ", 1) for line in ran.stdout.splitlines() if "  " in line)


def test_from_elements_and_a_site_to_conjunctions(sightline: Run, sky: Server, elements: Path) -> None:
    made = sightline(
        *("ephemeris", "generate", *DAY, "--elements", elements),
        *("--source", "station/iss/footprint", "--create", "leo"),
        url=sky.url,
    )
    assert facts(made)["footprints"].strip() == "IGRF, to 100 km"
    site = sightline("ephemeris", "generate", *DAY, "--site", "themis-asi/gillam", "--create", "ground", url=sky.url)
    assert site.exit_code == 0, site.stderr
    found = sightline(
        *("search", "conjunctions", *SPAN, "--ground", "themis-asi/gillam", "--space", "station"),
        *("--distance", "800", "--json"),
        url=sky.url,
    ).documents
    assert [row["start"] for row in found] == ["2014-01-20T10:27:00", "2014-01-20T12:03:00"]
    records = stored(sightline, sky, "station/iss")
    assert len(records) == 1440
    assert {record["metadata"] for record in records} == {'{"synthetic": true}'}
    again = sightline("ephemeris", "generate", *DAY, "--site", "themis-asi/gillam", url=sky.url)
    assert again.exit_code == 0  # the source is there now, and its minutes are put again


def test_what_a_search_prints_is_imported_again(sightline: Run, sky: Server, tmp_path: Path, elements: Path) -> None:
    path = tmp_path / "made.parquet"
    made = sightline("ephemeris", "generate", *DAY, "--elements", elements, "--field", "none", "--out", path)
    assert facts(made)["records"].strip() == "1440"
    source = ("--source", "copies/one/footprint", "--create", "leo")
    imported = sightline("ephemeris", "import", path, *source, "--json", url=sky.url)
    assert imported.documents[0]["records"] == 1440
    first = stored(sightline, sky, "copies/one")
    printed = tmp_path / "printed.csv"
    printed.write_text(
        sightline("search", "ephemeris", *SPAN, "--source", "copies/one", "--csv", url=sky.url).stdout,
        encoding="utf-8",
    )
    said = ("--frame", "GEO", "--unit", "degrees", "--time-scale", "UTC")
    other = sightline(
        "ephemeris", "import", printed, *said, "--source", "copies/two/footprint", "--create", "leo", url=sky.url
    )
    assert other.exit_code == 1
    says = "column source: 'copies/one/footprint' is another source than"
    assert f"{says} copies/two/footprint" in other.stderr
    assert sightline("ephemeris", "import", printed, *said, *source[:2], url=sky.url).exit_code == 0
    assert stored(sightline, sky, "copies/one") == first
    station = sightline(
        "ephemeris", "import", path, "--source", "copies/three/footprint", *source[2:], "--json", url=sky.url
    )
    identifier = station.documents[0]["source"]
    other = sightline("ephemeris", "import", printed, *said, "--source", identifier, url=sky.url)
    assert other.exit_code == 1
    assert f"{says} copies/three/footprint" in other.stderr
    neighbour = ("--source", "copies/one/radar", "--create", "leo")
    assert (
        f"{says} copies/one/radar" in sightline("ephemeris", "import", printed, *said, *neighbour, url=sky.url).stderr
    )
    assert f"{says} copies/one/radar" in sightline("ephemeris", "import", printed, *said, *neighbour, "--check").stderr
    for name in ("copies/one", *source[1:2]):
        assert sightline("ephemeris", "import", printed, *said, "--source", name, "--check").exit_code == 0
        assert sightline("ephemeris", "import", printed, *said, "--source", name, url=sky.url).exit_code == 0
    printed.write_text(printed.read_text(encoding="utf-8").replace("copies/one/footprint", "copies/one"))
    assert sightline("ephemeris", "import", printed, *said, *source[:2], url=sky.url).exit_code == 0  # an older export
    assert stored(sightline, sky, "copies/one") == first


def test_sites_without_a_night_are_left_out_and_nothing_is_stored_before_all_are_right(
    sightline: Run, sky: Server, tmp_path: Path
) -> None:
    path = tmp_path / "sites.csv"
    lines = ["north/near/asi,NEAR,50,15", "north/far/asi,FAR,78,15"]
    path.write_text(
        "\n".join(["program,platform,instrument_type,code,lat,lon", *(one.replace("/", ",") for one in lines)])
    )
    day = ("--start", "2020-05-12T00:00", "--end", "2020-05-12T23:59")
    options = ("ephemeris", "generate", *day, "--sites", path, "--json", "--create", "ground")
    none = sightline(*options, "--site", "north/far", url=sky.url)
    assert (none.exit_code, none.stdout) == (1, "")
    says = "at no site is there anything to record: the Sun is never lower than -12 degrees (--sun-below)"
    assert none.stderr == f"sightline: {says}\n"
    made = sightline(*options, "--site", "north", url=sky.url)
    assert made.stderr == "left out, the Sun is never low enough (--sun-below): north/far/asi\n"
    assert [one["site"] for one in made.documents] == ["north/near/asi, 50 15"]
    missing = sightline(*options[:-2], "--site", "north", "--sun-below", "90", url=sky.url)
    assert (missing.exit_code, missing.stdout) == (3, "")  # one of the two has no source: the other is not put either


def test_nothing_of_a_bad_file_is_stored(sightline: Run, sky: Server, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [*rows(1000), "2020-01-02T00:00:00,91,0,x"])
    source = ("--source", "bad/one/footprint", "--create", "leo")
    refused = sightline("ephemeris", "import", path, *source, url=sky.url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    says = f"sightline: {path}, line 1005, column location_geo_lat: 91 is not from -90 to 90 degrees\n"
    assert refused.stderr == says
    missing = sightline("ephemeris", "import", path, *source[:2], url=sky.url)
    assert missing.exit_code == 3  # not even the source was made
    assert "there is no data source bad/one/footprint: make it with --create TYPE" in missing.stderr
    good = write_csv(tmp_path / "good.csv", rows())
    unnamed = sightline("ephemeris", "import", good, "--source", f"bad/{'a' * 201}/one", *source[2:], url=sky.url)
    assert unnamed.stderr == "sightline: platform: String should have at most 50 characters\n"
    looked = sightline(
        "ephemeris", "import", write_csv(path, rows(1000)), "--check", "--json", url="http://127.0.0.1:9"
    )
    assert looked.documents[0]["stored"] is False


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("generate", *DAY), "say either --site or --elements"),
        (("generate", *DAY, "--site", "nowhere"), "'nowhere' is no site that is known"),
        (("generate", "--start", "2014-01-20", "--end", "x", "--site", "rego"), "--end is a time like"),
        (("generate", *DAY[2:], "--start", "2015-01-01", "--site", "rego"), "--end must not lie before --start"),
        (("import", "p.csv"), "say --source PROGRAM/PLATFORM/INSTRUMENT, or --check"),
        (("import", "p.csv", "--source", "a/b", "--create", "leo"), "--source is PROGRAM/PLATFORM/INSTRUMENT, or"),
        (("import", "p.csv", "--source", "a/b/c", "--create", "moon"), "--create is one of ground, leo"),
        (("import", "p.doc", "--check"), "a name that ends with .csv"),
        (("import", "missing.csv", "--check"), "missing.csv: No such file or directory"),
        (("import", "p.csv", "--check", "--column", "lat"), "--column lat: it is WHAT=NAME"),
    ],
)
def test_what_was_not_meant_is_one_line(sightline: Run, arguments: tuple[str, ...], says: str) -> None:
    ran = sightline("ephemeris", *arguments)
    assert ran.exit_code in {1, 2}
    assert says in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (("import", "p.csv", "--check"), "numpy", "ephemeris"),
        (("import", "sscweb:swarma", *DAY, "--check"), "requests", "sscweb"),
        (("import", "sscweb:swarma", *DAY, "--check"), "sscws", "sscweb"),
    ],
)
def test_the_command_needs_none_of_it_until_it_is_asked(arguments: tuple[str, ...], package: str, extra: str) -> None:
    heavy = {"numpy", "pyarrow", "skyfield", "spacepy", "aacgmv2", "sscws", "sgp4"} if package == "numpy" else {package}
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({heavy}))\n"  # an import of one raises ImportError, as where it is missing
        "import sightline.command\n"
        f"sys.argv = ['sightline', 'ephemeris', *{arguments}]\n"
        "sightline.command.main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert ran.returncode == 1
    rule = f"install the extra in Sightline's checkout: pip install -e '.[{extra}]'"
    assert ran.stderr == f"sightline: {package} is not installed; {rule}\n"


def test_sites_are_listed(sightline: Run) -> None:
    lines = sightline("ephemeris", "sites").stdout.splitlines()
    assert len(lines) == 1 + 51
    assert "themis-asi  gillam" in " ".join(lines)
