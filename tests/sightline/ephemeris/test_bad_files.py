"""Every file that cannot be taken says where and why, and none of it comes out before that is known."""

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from sightline.ephemeris.checking import Checker
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.files import opened, stretches
from sightline.ephemeris.statement import Statement, checked
from tests.support.orbits import HEADER, SAID, rows, write_csv

STATED = Statement(frame="GEO", unit="degrees", time_scale="UTC")


def read(path: Path, **said: Any) -> int:
    """Read a file to its end; return how many records it has."""
    with opened(path, checked(said, "the options")) as file:
        checker = Checker(str(path), unit=file.row_name)
        for _ in checker.checked(stretches(file, source="swarm/swarma")):
            pass
    return checker.summary.rows


def refused(path: Path, **said: Any) -> str:
    """Return what is said of a file that is refused, without its name."""
    with pytest.raises(BadData) as caught:
        read(path, **said)
    assert str(caught.value).startswith((str(path), "the options"))
    return str(caught.value).removeprefix(str(path)).lstrip(",: ")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2020-01-01T00:09:00,91,0,x", "line 7, column location_geo_lat: 91 is not from -90 to 90 degrees"),
        ("2020-01-01T00:09:00,0,-181,x", "line 7, column location_geo_lon: -181 is not from -180 to 360 degrees"),
        ("2020-01-01T00:09:00,NaN,0,x", "line 7, column lat: 'NaN': leave the cell empty where there is no place"),
        ("2020-01-01T00:09:00,inf,0,x", "line 7, column location_geo_lat: inf is not from -90 to 90 degrees"),
        ("2020-01-01T00:09:00,,0,x", "line 7, column lat, lon: a record needs a position"),
        ("2020-01-01T00:09:00,1_0,0,x", "line 7, column lat: '1_0' is no number"),
        ("2020-01-01T00:09:00,=1+1,0,x", "line 7, column lat: '=1+1' is a formula; write its value"),
        ("2020-01-01T00:09:00,1,0,=cmd()", "line 7, column metadata.state: '=cmd()' starts like a formula"),
        ("2020-01-01T00:09:00,1,0", "line 7: 3 cells, and the header has 4"),
        ('2020-01-01T00:09:00,"1,5",0,x', "line 7, column lat: '1,5' has a decimal comma: say --decimal ,"),
        ("2020-01-01T00:09:00,1,5,0,x", "line 7: 5 cells, and the header has 4; if commas are decimal ones"),
        ('2020-01-01T00:09:00,"1,0,x', "line 8: this is no CSV: unexpected end of data"),
        ("2020-01-01T00:00:00,5,5,x", "line 7, column epoch: times must ascend, and this one is before the last"),
        ("2020-01-01T00:01:00,5,5,x", "line 7, column epoch: this minute is there twice, with other values"),
        ("2020-01-01T00:09:30,5,5,x", "line 7, column epoch: a record is of a full minute of UTC, and this is -30 s"),
        ("2020-01-01T00:09:00Z,5,5,x", "line 7, column epoch: '2020-01-01T00:09:00Z' is written in another way"),
        ("01/01/2020 00:09,5,5,x", "line 7, column epoch: '01/01/2020 00:09' is no time like 2020-01-01T00:00:00"),
        ("2020-02-30T00:09:00,5,5,x", "line 7, column epoch: '2020-02-30T00:09:00' is no date and time of"),
        ("2020-12-31T23:59:60,5,5,x", "line 7, column epoch: a leap second is in no minute"),
        ("2020-01-01T24:00:00,5,5,x", "line 7, column epoch: 24:00 is 00:00 of the next day; write it so"),
        ("2150-01-01T00:09:00,5,5,x", "line 7, column epoch: a time of the years 1950 to 2099 is needed"),
        ("2020-01-01T00:02:00,80,90,x", "line 7, column location_geo: the place moves more than 10 degrees within a"),
    ],
)
def test_a_bad_row_is_named_by_line_column_and_rule(tmp_path: Path, row: str, says: str) -> None:
    assert refused(write_csv(tmp_path / "p.csv", [*rows(2), row, "2020-01-01T00:10:00,6,6,x"])).startswith(says)


@pytest.mark.parametrize(
    ("text", "said", "says"),
    [
        ("", {}, "it has no header"),
        (f"{SAID}{HEADER}\n", {}, "it holds no records"),
        ("lat,lon\n", STATED.model_dump(exclude_none=True), "line 1: no column is the epoch: say --column epoch=NAME"),
        ("1,2,3\n", STATED.model_dump(exclude_none=True), "line 1: the first line must name the columns"),
        (f"{SAID}epoch,lat,lat\n", {}, "line 4, column lat: the header has this name twice"),
        (f"{SAID}epoch,lat,\n", {}, "line 4: the header has no name for column 3"),
        (f"{SAID}epoch;lat;lon\n", {}, "line 4: the columns are separated by ';': say --delimiter"),
        (f"{SAID}epoch,lat\n", {}, "line 4: the position takes the columns lat, lon (--column lat=NAME)"),
        (f"{SAID}epoch,x,y,z\n", {}, "line 4: the position takes the columns lat, lon"),
        (f"{SAID}epoch,lat,lon,nbtrace_lat\n", {}, "line 4: there is a column nbtrace_lat and none for nbtrace_lon"),
        (f"{SAID}{HEADER}\n", {"columns": {"lat": "Latitude"}}, "line 4: the header has no column 'Latitude'"),
        (f"{SAID}{HEADER}\n", {"columns": {"height": "lat"}}, "'height' is nothing that a column may be"),
        (f"{SAID}{HEADER}\n", {"frame": "GSM"}, "frame is stated twice: 'GSM' and 'GEO'"),
        (f"{SAID}{HEADER}\n", {"frame": "XYZ"}, "frame: Input should be 'GEO', 'GEI'"),
        (f"# frame: ECI\n{HEADER}\n", {}, "line 1: frame: Input should be 'GEO', 'GEI'"),
        (f"{HEADER}\n", {}, "the frame of the positions is not stated: say --frame GEO|GEI|J2000|GSE|GSM|SM"),
        (f"{HEADER}\n", {"frame": "GEO"}, "the unit of the positions is not stated: say --unit"),
        (f"{HEADER}\n", {"frame": "GEO", "unit": "degrees"}, "the time scale is not stated: say --time-scale"),
    ],
)
def test_a_header_that_cannot_be_understood_says_what_to_state(
    tmp_path: Path, text: str, said: dict[str, Any], says: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    found = refused(path, **said)
    assert found.removeprefix("the options: ").startswith(says)


def test_one_bad_row_among_a_hundred_thousand_is_found(tmp_path: Path) -> None:
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    lines = [f"{start + dt.timedelta(minutes=n):%Y-%m-%dT%H:%M:%S},1,1,x" for n in range(100_000)]
    path = write_csv(tmp_path / "p.csv", lines)
    assert read(path) == 100_000
    lines[98_765] = lines[98_765].replace(",1,1,", ",1,l,")
    assert refused(write_csv(path, lines)) == "line 98770, column lon: 'l' is no number"


def test_what_is_stated_may_be_in_any_case(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", rows(), said="# Frame: geo\n# UNIT: Degrees\n")
    assert read(path, time_scale="utc", frame="Geo") == 4


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    text = write_csv(path, rows()).read_text()
    path.write_bytes(text.encode("utf-8-sig"))
    assert read(path) == 4  # a byte order mark is no part of the first name
    path.write_bytes(text.encode("utf-16"))
    assert refused(path) == "line 1: it is UTF-16; save it as UTF-8"
    path.write_bytes(text.encode().replace(b"02:00,0.2,0.2,good", b"02:00,0.2,0.2,g\xf6\xf6d"))
    assert refused(path) == "line 7: it is not UTF-8"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert read(path) == 4


def test_both_ways_to_count_longitudes_are_taken_but_not_in_one_file(tmp_path: Path) -> None:
    crossing = [f"2020-01-01T00:0{n}:00,89.5,{lon},x" for n, lon in enumerate((179, -179, -90, 0, 90))]
    assert read(write_csv(tmp_path / "p.csv", crossing)) == 5  # across the date line, close round the pole
    eastern = [f"2020-01-01T00:0{n}:00,1,{lon},x" for n, lon in enumerate((359, 0, 1))]
    assert read(write_csv(tmp_path / "p.csv", eastern)) == 3
    mixed = write_csv(tmp_path / "p.csv", [*eastern, "2020-01-01T00:03:00,1,-1,x"])
    assert refused(mixed).startswith("line 8, column location_geo_lon: longitudes are from -180 to 180 or")


def test_a_row_that_is_there_twice_with_the_same_values_counts_once(tmp_path: Path) -> None:
    first, *others = rows()
    assert read(write_csv(tmp_path / "p.csv", [first, first, *others, others[-1]])) == 4


def test_units_that_were_mixed_up(tmp_path: Path) -> None:
    said = SAID.replace("degrees", "radians")
    assert "is the unit degrees?" in refused(write_csv(tmp_path / "p.csv", rows(40), said=said))
    angles = [(math.sin(n / 15) * 1.5, math.sin(n / 50) * 3.1) for n in range(200)]
    lines = [f"2020-01-01T{n // 60:02}:{n % 60:02}:00,{lat:.4f},{lon:.4f},x" for n, (lat, lon) in enumerate(angles)]
    assert "every position looks like radians" in refused(write_csv(tmp_path / "p.csv", lines))
    said = SAID.replace("degrees", "km")
    metres = write_csv(tmp_path / "p.csv", ["2020-01-01T00:00:00,0,0,6871000"], header="epoch,x,y,z", said=said)
    assert "no orbit: is the unit km?" in refused(metres)


def test_a_column_that_names_the_source_must_name_this_one(tmp_path: Path) -> None:
    header = "epoch,lat,lon,source"
    lines = ["2020-01-01T00:00:00,1,1,swarm/swarma", "2020-01-01T00:01:00,1,1,swarm/swarmb"]
    says = "line 6, column source: 'swarm/swarmb' is another source than swarm/swarma"
    assert refused(write_csv(tmp_path / "p.csv", lines, header=header)) == says


TIMES = [dt.datetime(2020, 1, 1, 0, n, tzinfo=dt.UTC).replace(tzinfo=None) for n in range(3)]
Change = Callable[[dict[str, list[Any]]], None]


def _with(**columns: list[Any]) -> Change:
    return lambda table: table.update(columns)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_with(lat=[1.0, math.nan, 2.0]), "row 2, column lat: NaN: leave the value null where there is no place"),
        (_with(lat=[1.0, None, 2.0]), "row 2, column lat, lon: a record needs a position"),
        (_with(lat=[1.0, 2.0, 95.0]), "row 3, column location_geo_lat: 95 is not from -90 to 90 degrees"),
        (_with(epoch=[TIMES[0], None, TIMES[2]]), "row 2, column epoch: a record needs a time"),
        (_with(epoch=[0.0, 60.0, 120.0]), "column epoch: these are numbers; if they are seconds since 1970"),
        (_with(lat=[[1.0], [2.0], [3.0]]), "column lat: a column of list"),
        (_with(lat=["1", "x", "2"]), "row 2, column lat: 'x' is no number"),
    ],
)
def test_a_bad_row_of_parquet_is_named_by_its_number(tmp_path: Path, change: Change, says: str) -> None:
    table: dict[str, list[Any]] = {"epoch": list(TIMES), "lat": [1.0, 2.0, 3.0], "lon": [0.0, 0.0, 0.0]}
    change(table)
    parquet.write_table(pa.table(table), tmp_path / "p.parquet")
    assert refused(tmp_path / "p.parquet", **STATED.model_dump(exclude_none=True)).startswith(says)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    parquet.write_table(pa.table({"epoch": TIMES, "lat": [1.0, 2.0, 3.0], "lon": [0.0, 0.0, 0.0]}), path)
    path.write_bytes(path.read_bytes()[:-9])
    assert refused(path) == "it is not Parquet, or it is cut short"
    zoned = pa.table({"epoch": pa.array(TIMES, pa.timestamp("us", "UTC")), "lat": [1.0] * 3, "lon": [0.0] * 3})
    parquet.write_table(zoned, path)
    said = {**STATED.model_dump(exclude_none=True), "time_scale": "TAI"}
    assert refused(path, **said) == "column epoch: its times have a zone, so they are UTC, and TAI was stated"
