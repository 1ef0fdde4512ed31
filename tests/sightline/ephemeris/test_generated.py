"""Generated ephemeris against what libraries and sites publish; tolerances are stated where they are used."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import aacgmv2
import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84
from skyfield.framelib import itrs

from sightline.ephemeris import files, ground, orbit
from sightline.ephemeris.elements import ElementSet, read_elements
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.footprints import FieldModel, Hemisphere, footprints, geodetic_vectors
from sightline.ephemeris.frames import to_sphere, to_vectors, turned
from sightline.ephemeris.sites import read_sites, select
from sightline.ephemeris.statement import Statement
from tests.support.orbits import ISS, SAID, rows, write_csv
from tests.support.server import ROOT

AT = datetime(2014, 1, 23, 11, 18, 7, tzinfo=UTC)
MINUTE = 26_297_280
"""2020-01-01T00:00, counted from 1970."""
ISS_MINUTE = int(AT.timestamp()) // 60


@pytest.fixture
def iss(tmp_path: Path) -> list[ElementSet]:
    """The space station's elements."""
    path = tmp_path / "iss.tle"
    path.write_text("\n".join(["ISS (ZARYA)", *ISS]))
    return read_elements(path)


def test_the_place_below_the_station_is_that_of_skyfields_page(iss: list[ElementSet]) -> None:
    (here,) = orbit.positions_km(iss, np.array([AT.timestamp()]), file="iss.tle", most_age_days=7)
    scale = load.timescale(builtin=True)
    place = EarthSatellite(*ISS, "ISS", scale).at(scale.utc(2014, 1, 23, 11, 18, 7))
    assert here == pytest.approx(place.frame_xyz(itrs).km, abs=0.001)  # a metre
    # As published: 50deg 14' 37.4", -86deg 23' 23.3", geodetic.
    lat, lon = wgs84.latlon_of(place)
    assert (lat.degrees, lon.degrees) == pytest.approx((50.243722, -86.389806), abs=1e-5)
    ((geocentric, east),) = to_sphere(np.array([here]))
    assert east == pytest.approx(-86.389806, abs=1e-4)
    assert geocentric == pytest.approx(
        50.066, abs=1e-3
    )  # of the same point: tan is smaller by (1 - f)^2, and the height


def test_a_day_of_a_spacecraft_has_its_footprints_in_both_hemispheres(iss: list[ElementSet]) -> None:
    (day,) = orbit.stretches(iss, ISS_MINUTE, ISS_MINUTE + 90, file="iss.tle", field=FieldModel())
    assert len(day) == 90
    assert set(day.places) == {"location_geo", "location_gsm", "nbtrace", "sbtrace"}
    assert not any(np.isnan(place).any() for place in day.places.values())
    below = np.abs(day.places["location_geo"][:, 0]) > 45  # there a line is steep: the near end is close below
    near = np.where(day.places["location_geo"][:, :1] > 0, day.places["nbtrace"], day.places["sbtrace"])
    cosines = (to_vectors(near) * to_vectors(day.places["location_geo"])).sum(axis=1)[below]
    assert np.degrees(np.arccos(cosines)).max() < 2.0
    assert (day.places["nbtrace"][:, 0] > day.places["sbtrace"][:, 0]).all()


@pytest.mark.parametrize("header", ["epoch,x,y,z", "epoch,lat,lon,radius"])
def test_an_import_traces_the_same_footprints_from_positions(
    tmp_path: Path, iss: list[ElementSet], header: str
) -> None:
    (made,) = orbit.stretches(iss, ISS_MINUTE, ISS_MINUTE + 5, file="iss.tle", field=FieldModel())
    times = made.minutes.astype(np.float64) * 60.0
    vectors = orbit.positions_km(iss, times, file="iss.tle", most_age_days=7)
    if "lat" in header:
        vectors = np.column_stack([made.places["location_geo"], np.linalg.norm(vectors, axis=1)])
    lines = [f"{time:.0f},{a!r},{b!r},{c!r}" for time, (a, b, c) in zip(times, vectors.tolist(), strict=True)]
    said = SAID.replace("degrees", "degrees" if "lat" in header else "km") + "# time format: unix\n"
    path = write_csv(tmp_path / "p.csv", lines, header=header, said=said)
    with files.opened(path, Statement()) as file:
        (found,) = files.stretches(file, field=FieldModel())
    for place, values in made.places.items():
        np.testing.assert_allclose(found.places[place], values, atol=1e-3)


def test_footprints_need_a_distance(tmp_path: Path) -> None:
    says = "footprints need the distance from the Earth's centre: x, y and z, or"
    path = write_csv(tmp_path / "p.csv", rows())
    with files.opened(path, Statement()) as file, pytest.raises(BadData, match=says):
        list(files.stretches(file, field=FieldModel()))


def test_elements_too_old_are_refused_and_the_nearest_set_is_used(iss: list[ElementSet]) -> None:
    later = ElementSet("ISS", "25544", iss[0].epoch_s + 40 * 86400, iss[0].record, 9)
    with pytest.raises(BadData, match="line 2: the nearest elements are 31 days from 2014-02-20"):
        list(orbit.stretches(iss, ISS_MINUTE + 28 * 1440, ISS_MINUTE + 28 * 1440 + 1, file="f", field=None))
    (day,) = orbit.stretches([*iss, later], ISS_MINUTE + 28 * 1440, ISS_MINUTE + 28 * 1440 + 1, file="f", field=None)
    assert len(day) == 1


def test_the_conjugate_of_gillam_is_the_documented_one() -> None:
    (gillam,) = select(read_sites(), ["themis-asi/gillam"])
    assert (gillam.lat, gillam.lon) == (56.376723, -94.643664)
    at = datetime(2020, 1, 1, tzinfo=UTC)
    # AuroraX documents (-72.76907, -134.66813) without a date; the model moves by 0.2 degrees a year.
    assert ground.by_aacgm(gillam.lat, gillam.lon, at) == pytest.approx((-72.76907, -134.66813), abs=0.05)


@pytest.mark.parametrize("site", ["themis-asi/gillam", "themis-asi/fort yukon", "rego/longyearbyen", "trex/lucky lake"])
def test_two_libraries_agree_on_where_a_field_line_comes_down(site: str) -> None:
    found = select(read_sites(), [site])[0]
    at = datetime(2020, 1, 1, tzinfo=UTC)
    ends = np.array([by(found.lat, found.lon, at) for by in ground.CONJUGATES.values()])
    one, other = to_vectors(ends)
    assert np.degrees(np.arccos(one @ other)) < 0.2
    # From the height at which IRBEM starts AACGM's tracing is nearer, and nearer than geodetic is to geocentric.
    day = at.replace(tzinfo=None)
    lat, lon, _ = aacgmv2.convert_latlon(found.lat, found.lon, 110.0, day, method_code="G2A|TRACE")
    end = aacgmv2.convert_latlon(-lat, lon, 100.0, day, method_code="A2G|TRACE")[:2]
    line = to_vectors(np.array([end, ground.by_field_line(found.lat, found.lon, at)]))
    assert np.degrees(np.arccos(line[0] @ line[1])) < 0.08


@pytest.mark.parametrize(
    ("lat", "lon", "height_km"), [(65, -100, 450), (55, 20, 450), (-65, 140, 450), (70, -150, 800)]
)
def test_footprints_of_a_low_orbit_are_those_of_aacgm(lat: float, lon: float, height_km: float) -> None:
    # All places of one field line have the same AACGM coordinates, and the other hemisphere's the other sign.
    at, vectors = datetime(2020, 1, 1), geodetic_vectors(np.array([[lat, lon]], np.float64), height_km)  # noqa: DTZ001
    magnetic_lat, magnetic_lon, _ = aacgmv2.convert_latlon(lat, lon, height_km, at, method_code="G2A|TRACE")
    hemispheres: dict[Hemisphere, float] = {"north": abs(magnetic_lat), "south": -abs(magnetic_lat)}
    for hemisphere, end in hemispheres.items():
        theirs = aacgmv2.convert_latlon(end, magnetic_lon, 100.0, at, method_code="A2G|TRACE")[:2]
        expected = to_sphere(geodetic_vectors(np.array([theirs]), 100.0))
        found = footprints(vectors, np.array([MINUTE]), FieldModel(), hemisphere)
        assert np.degrees(np.arccos((to_vectors(found) * to_vectors(expected)).sum())) < 0.1


def test_a_footprint_of_a_point_low_above_a_site_is_the_site_geocentric() -> None:
    here = np.array([[60.0, 20.0]])
    vectors = to_vectors(here) * (6371.2 + 110.0)
    north = footprints(vectors, np.array([MINUTE]), FieldModel(), "north")
    assert north == pytest.approx(here, abs=0.15)
    active = footprints(vectors, np.array([MINUTE]), FieldModel("T89", 5.0), "north")
    assert active == pytest.approx(north, abs=0.05)  # what T89 adds hardly bends a line down here


def test_what_the_library_remarks_stays_out_of_what_the_command_prints() -> None:
    program = (
        "import numpy as np\n"
        "from sightline.ephemeris.footprints import FieldModel, footprints\n"
        "footprints(np.array([[6900.0, 0.0, 0.0]]), np.array([29_800_000]), FieldModel(), 'north')\n"
        "print('done')\n"
    )  # of 2026, after the last epoch of its coefficients
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "done\n"


def test_aacgm_says_for_which_years_it_is() -> None:
    with pytest.raises(BadData, match="AACGM is there from 1990 to 2029, not for 1989: say --conjugate igrf"):
        ground.by_aacgm(56.0, -94.0, datetime(1989, 12, 31, tzinfo=UTC))


def test_far_out_the_model_of_the_field_matters() -> None:
    vectors = to_vectors(np.array([[5.0, 0.0]])) * 6371.2 * 9
    quiet, active = (footprints(vectors, np.array([MINUTE]), FieldModel("T89", kp), "north") for kp in (0.0, 5.0))
    assert np.abs(quiet - active).max() > 0.5


def test_a_site_records_while_the_sun_is_far_enough_below() -> None:
    (gillam,) = select(read_sites(), ["themis-asi/gillam"])
    (day,) = ground.stretches(gillam, MINUTE, MINUTE + 1440)
    assert 760 < len(day) < 900  # a night of late December at 56 degrees north
    hours = day.minutes % 1440 / 60
    assert ((hours < 14) | (hours > 23)).all()  # local midnight is half past six
    assert day.places["nbtrace"][0].tolist() == [gillam.lat, gillam.lon]
    (always,) = ground.stretches(gillam, MINUTE, MINUTE + 1440, sun_below=None)
    assert len(always) == 1440


def test_the_sun_is_where_another_library_has_it() -> None:
    minutes = np.arange(MINUTE, MINUTE + 366 * 1440, 7 * 1440 + 11)
    theirs = turned(np.tile([1.0, 0.0, 0.0], (len(minutes), 1)), minutes, "GSE", "GEO")
    cosines = (theirs * ground.sun_directions(minutes)).sum(axis=1)
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 0.02


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["a,b,c,AB,95,0"], "line 2, column lat: '95' is not from -90 to 90 degrees"),
        (["a,b,c,AB,5,x"], "line 2, column lon: 'x' is no number"),
        (["a,b,c,AB,5"], "line 2: 5 cells, and the header has 6"),
        (["a,,c,AB,5,5"], "line 2, column platform: a name without a slash is needed"),
        (["a,b,c,AB,5,5"] * 2, "a/b/c is there twice"),
        ([], "it has no sites"),
    ],
)
def test_a_file_of_sites_says_what_is_wrong_with_it(tmp_path: Path, lines: list[str], says: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text("\n".join(["program,platform,instrument_type,code,lat,lon", *lines]))
    with pytest.raises(BadData) as caught:
        read_sites(path)
    assert str(caught.value).removeprefix(str(path)).lstrip(",: ") == says
