"""What is read out of files: minutes of UTC, places in GEO, metadata; and what is written into them."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from skyfield.api import load
from skyfield.framelib import itrs

from sightline.ephemeris.alignment import Alignment, OffMinute, Timed
from sightline.ephemeris.checking import Checker
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.files import opened, stretches
from sightline.ephemeris.frames import to_sphere, to_vectors, turned
from sightline.ephemeris.packing import MOST_BYTES, uploads
from sightline.ephemeris.statement import checked
from sightline.ephemeris.stretch import Stretch
from sightline.ephemeris.writing import written
from tests.support.orbits import SAID, rows, write_csv

MINUTE = 26_297_280
"""2020-01-01T00:00, counted from 1970."""


def read(path: Path, off_minute: OffMinute = "refuse", **said: Any) -> Stretch:
    """Read a small file whole."""
    with opened(path, checked(said, "the options")) as file:
        (found,) = Checker(str(path)).checked(stretches(file, off_minute=off_minute))
    return found


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        ("UTC", "2020-01-01T00:00:00"),
        ("UTC", "2020-01-01 00:00"),
        ("UTC", "2020-01-01T00:00:00.000Z"),
        ("UTC", "2019-12-31T17:00:00-07:00"),
        ("TAI", "2020-01-01T00:00:37"),
        ("GPS", "2020-01-01T00:00:18"),
        ("TT", "2020-01-01T00:01:09.184"),
    ],
)
def test_a_time_in_any_scale_is_its_minute_of_utc(tmp_path: Path, scale: str, text: str) -> None:
    path = write_csv(tmp_path / "p.csv", [f"{text},1,2"], header="epoch,lat,lon", said=SAID.replace("UTC", scale))
    assert read(path).minutes.tolist() == [MINUTE]


def test_seconds_since_1970_and_records_between_the_minutes(tmp_path: Path) -> None:
    lines = [f"{MINUTE * 60 + 30 * n},{n},2" for n in range(4)]
    path = write_csv(tmp_path / "p.csv", lines, header="epoch,lat,lon")
    found = read(path, off_minute="drop", time_format="unix")
    assert (found.minutes - MINUTE).tolist() == [0, 1]
    assert found.places["location_geo"].tolist() == [[0, 2], [2, 2]]


def test_minutes_are_put_between_rows_whatever_the_batches_are() -> None:
    # 10 s apart and none on a minute, as with GPS time; a gap of 4 minutes stays one, the date line is crossed.
    seconds = np.array([*range(8, 300, 10), *range(548, 700, 10)])
    lon = (179.5 + seconds / 100 + 180) % 360 - 180
    micros = (MINUTE * 60 + seconds) * 1_000_000
    whole = Timed(micros, {"location_geo": np.column_stack([seconds / 100, lon])}, ("{}",), np.arange(len(seconds)))
    found = []
    for size in (100, 7, 1):
        cuts = [slice(at, at + size) for at in range(0, len(seconds), size)]
        parts = [
            Timed(micros[cut], {"location_geo": whole.places["location_geo"][cut]}, ("{}",), whole.lines[cut])
            for cut in cuts
        ]
        stretched = [made for made, _ in Alignment("interpolate", file="f", column="t", unit="row").aligned(parts)]
        minutes = np.concatenate([part.minutes for part in stretched]) - MINUTE
        assert minutes.tolist() == [1, 2, 3, 4, 10, 11]
        found.append(np.concatenate([part.places["location_geo"] for part in stretched]))
    expected = np.array([1, 2, 3, 4, 10, 11])
    assert found[0][:, 0] == pytest.approx(expected * 0.6, abs=1e-4)
    assert found[0][:, 1] == pytest.approx((expected * 0.6 + 179.5 + 180) % 360 - 180, abs=1e-4)
    assert found[0].tolist() == found[1].tolist() == found[2].tolist()


def test_metadata_stay_with_their_rows_at_the_border_of_batches() -> None:
    micros = (MINUTE * 60 + 30 + np.arange(3) * 60) * 1_000_000  # a minute has the metadata of the row before it
    place = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])

    def batch(first: int, until: int, *texts: str) -> Timed:
        cut = slice(first, until)
        return Timed(micros[cut], {"location_geo": place[cut]}, texts, np.arange(3)[cut])

    for batches in (
        [batch(0, 2, "a", "b"), batch(2, 3, "c")],
        [batch(0, 1, "a"), batch(1, 3, "b", "c")],
        [batch(0, 1, "a"), batch(1, 2, "b"), batch(2, 3, "c")],
    ):
        made = [one for one, _ in Alignment("interpolate", file="f", column="t", unit="row").aligned(batches)]
        assert [text for one in made for text in one.all_texts] == ["a", "b"]


def test_minutes_between_longitudes_of_0_to_360_are_so_too(tmp_path: Path) -> None:
    lines = [f"2020-01-01T00:0{time},10,{lon}" for time, lon in (("0:00", 182), ("0:30", 183), ("1:30", 185))]
    path = write_csv(tmp_path / "p.csv", lines, header="epoch,lat,lon")
    found = read(path, off_minute="interpolate")
    assert found.places["location_geo"][:, 1] == pytest.approx([-178, -176])


def test_times_of_gps_are_read_and_put_on_minutes_of_utc(tmp_path: Path) -> None:
    lines = [f"2020-01-01T00:0{n}:00,{n / 10},0" for n in range(4)]
    path = write_csv(tmp_path / "p.csv", lines, header="epoch,lat,lon", said=SAID.replace("UTC", "GPS"))
    found = read(path, off_minute="interpolate")
    assert (found.minutes - MINUTE).tolist() == [0, 1, 2]
    assert found.places["location_geo"][:, 0] == pytest.approx([0.03, 0.13, 0.23], abs=1e-5)  # 18 s into each
    with pytest.raises(BadData, match=r"line 5, column epoch: a record is of a full minute of UTC, and this is -18 s"):
        read(path)


def test_columns_of_any_name_with_their_own_marks(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", ["2020-01-01T00:00;-1,5;350;a;7"], said="", header="T;B;L;S;K")
    columns = {"epoch": "T", "lat": "B", "lon": "L", "metadata.state": "S", "metadata.kp": "K"}
    stated: dict[str, Any] = {"frame": "GEO", "unit": "degrees", "time_scale": "UTC", "columns": columns}
    found = read(path, **stated, delimiter=";", decimal=",")
    assert found.places["location_geo"].tolist() == [[-1.5, -10.0]]
    assert [json.loads(text) for text in found.texts] == [{"state": "a", "kp": 7}]


def test_a_manifest_in_the_file_is_enough_for_parquet(tmp_path: Path) -> None:
    columns = {"epoch": "time", "lat": "phi", "lon": "lam"}
    said = {"frame": "GEO", "unit": "radians", "time_scale": "UTC", "columns": columns}
    time = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]
    table = pa.table({"time": time, "phi": [0.5], "lam": pa.array([3.5], pa.float32())})
    table = table.replace_schema_metadata({"sightline.ephemeris": json.dumps(said)})
    parquet.write_table(table, tmp_path / "p.parquet")
    found = read(tmp_path / "p.parquet")
    assert found.minutes.tolist() == [MINUTE]
    assert found.places["location_geo"] == pytest.approx(np.degrees([[0.5, 3.5 - 2 * np.pi]]), abs=1e-5)


@pytest.mark.parametrize("frame", ["GEI", "J2000", "GSE", "GSM", "SM"])
def test_positions_of_other_frames_become_geo(tmp_path: Path, frame: Any) -> None:
    geo = np.array([[60.0, -100.0], [-20.0, 170.0]])
    minutes = np.array([MINUTE, MINUTE + 1])
    vectors = turned(to_vectors(geo), minutes, "GEO", frame) * 7000.0
    lines = [f"2020-01-01T00:0{n}:00,{x:.6f},{y:.6f},{z:.6f}" for n, (x, y, z) in enumerate(vectors)]
    said = SAID.replace("GEO", frame).replace("degrees", "km")
    path = write_csv(tmp_path / "p.csv", lines, header="epoch,x,y,z", said=said)
    with opened(path, checked({}, "")) as file:
        (found,) = stretches(file)  # unchecked: it jumps
    assert found.places["location_geo"] == pytest.approx(geo, abs=1e-4)
    assert ("location_gsm" in found.places) == (frame == "GSM")
    # The rotation is that of another library too: GEI turns against GEO by sidereal time alone.
    if frame == "GEI":
        turn = (to_sphere(vectors)[:, 1] - geo[:, 1]) % 360
        assert turn == pytest.approx([100.12, 100.37], abs=0.05)


def test_positions_of_j2000_become_those_that_skyfield_has(tmp_path: Path) -> None:
    geo = np.array([[60.0, -100.0], [-20.0, 170.0], [5.0, 10.0]])
    scale = load.timescale(builtin=True)
    years = (2014, 2020, 2024)
    turns = [itrs.rotation_at(scale.utc(year, 1, 1)) for year in years]
    vectors = [turn.T @ place * 7000.0 for turn, place in zip(turns, to_vectors(geo), strict=True)]
    lines = [f"{year}-01-01T00:00:00,{x:.6f},{y:.6f},{z:.6f}" for year, (x, y, z) in zip(years, vectors, strict=True)]
    said = SAID.replace("GEO", "J2000").replace("degrees", "km")
    found = read(write_csv(tmp_path / "p.csv", lines, header="epoch,x,y,z", said=said)).places["location_geo"]
    apart = np.linalg.norm(to_vectors(found) - to_vectors(geo), axis=1)
    assert np.degrees(apart).max() < 0.005


def test_a_place_that_is_not_there_is_absent_at_that_minute(tmp_path: Path) -> None:
    lines = ["2020-01-01T00:00:00,1,1,60,-100,{}", '2020-01-01T00:01:00,1,1,,,"{""a"": [1]}"']
    path = write_csv(tmp_path / "p.csv", lines, header="epoch,lat,lon,nbtrace_lat,nbtrace_lon,metadata")
    found = read(path)
    assert np.isnan(found.places["nbtrace"]).tolist() == [[False, False], [True, True]]
    assert list(found.texts) == ["{}", '{"a":[1]}']


def test_days_are_packed_across_the_borders_of_stretches() -> None:
    minutes = np.arange(MINUTE - 3, MINUTE + 5)
    place = np.column_stack([np.arange(8.0), np.zeros(8)])
    whole = Stretch(minutes, {"location_geo": place}, [f'{{"n":{n % 2}}}' for n in range(8)])
    (one,) = uploads([whole], file="f")
    (other,) = uploads([whole.part(slice(0, 5)), whole.part(slice(5, 6)), whole.part(slice(6, 8))], file="f")
    assert one == other
    assert [(str(day.day), len(day)) for day in one.days] == [("2019-12-31", 3), ("2020-01-01", 5)]
    assert one.days[0].minutes[-1] == 0b111
    (still,) = uploads([Stretch(minutes[3:], {"location_geo": np.full((5, 2), 7.0)})], file="f")
    assert len(still.days[0].location_geo or b"") == 16


def test_a_request_is_cut_before_it_is_too_large_and_a_day_that_is_says_so() -> None:
    def made(days: int, length: int) -> Stretch:
        minutes = np.arange(MINUTE, MINUTE + days * 1440)
        texts = [f'{{"n":{n},"t":"{"x" * length}"}}' for n in minutes.tolist()]
        return Stretch(minutes, {"location_geo": np.zeros((len(minutes), 2))}, texts)

    cut = list(uploads([made(3, 2000)], file="f"))  # 2.8 MiB each
    assert [len(one.days) for one in cut] == [2, 1]
    assert all(len(one.model_dump_json(exclude_none=True)) <= MOST_BYTES for one in cut)
    says = "f: 2020-01-01 makes 6.9 MiB, and a day may have 6: its metadata are too long, or too many"
    with pytest.raises(BadData, match=says):
        list(uploads([made(1, 5000)], file="f"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    minutes = np.arange(MINUTE, MINUTE + 3)
    places = {"location_geo": np.array([[1.5, 2.0], [1.0, 179.25], [1.0, -179.0]]), "sbtrace": np.full((3, 2), np.nan)}
    places["sbtrace"][1] = -60.0, 10.0
    path = tmp_path / f"p.{suffix}"
    made = Stretch(minutes, places, ('{"synthetic":true}',))  # type: ignore[arg-type]
    list(written(path, [made]))
    with opened(path, checked({}, "")) as file:
        (found,) = stretches(file)
    assert found.minutes.tolist() == minutes.tolist()
    for place, values in made.places.items():
        np.testing.assert_array_equal(found.places[place], values)
    assert set(found.texts) == {'{"synthetic":true}'}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_summary_says_span_step_and_gaps(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [*rows(5), *rows(3, first=9)])
    with opened(path, checked({}, "")) as file:
        checker = Checker(str(path))
        list(checker.checked(stretches(file)))
    summary = checker.summary
    assert (summary.rows, summary.first, summary.last) == (8, MINUTE, MINUTE + 11)
    assert (summary.step, summary.gaps) == (1, 1)
    assert summary.ranges["location_geo"] == (0, 1.1, 0, 1.1)
