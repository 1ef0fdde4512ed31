"""The map of conjunctions: what is drawn where, and that it can always be drawn."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contracts.http.searches import SearchPlaces
from sightline.maps.colors import color_of
from sightline.maps.legend import round_km
from sightline.maps.meetings import Body, Meeting, Story, story_of
from sightline.maps.picture import draw
from sightline.maps.projection import Place, Projection, angle_deg

GILLAM = Place(56.376723, -94.643664)
_places = st.builds(Place, st.floats(-90, 90), st.floats(-180, 180))


def _row(site: str, spacecraft: str, distance_km: float) -> dict[str, object]:
    return {
        "conjunction_type": "nbtrace",
        "start": "2020-01-01T00:00:00",
        "end": "2020-01-01T00:03:00",
        "min_distance": distance_km,
        "data_sources": [
            {"source_type": "ground", "platform": site, "display_name": f"THEMIS-ASI {site}"},
            {"source_type": "leo", "platform": spacecraft, "display_name": spacecraft.title()},
        ],
    }


def _pixels(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


@given(places=st.lists(_places, min_size=1, max_size=6))
def test_every_place_is_on_the_map_and_those_beyond_its_edge_are_not(places: list[Place]) -> None:
    projection = Projection.of(places)
    for place in places:
        point = projection.point(place)
        if angle_deg(projection.centre, place) <= projection.radius_deg:
            assert point is not None
            assert math.hypot(*point) <= 1 + 1e-6
        else:
            assert projection.radius_deg == 178
            assert point is None


def test_the_map_is_not_larger_than_its_places_need() -> None:
    round_the_pole = Projection.of([Place(60, lon) for lon in range(0, 360, 45)])
    assert round_the_pole.centre.lat == pytest.approx(90, abs=2)
    assert round_the_pole.radius_deg == pytest.approx(33, abs=2)
    across_the_date_line = Projection.of([Place(50, 170), Place(52, -178)])
    assert abs(across_the_date_line.centre.lon) == pytest.approx(176, abs=2)
    assert across_the_date_line.radius_deg < 6


def test_north_is_up_and_east_is_right() -> None:
    projection = Projection(GILLAM, 10)
    assert projection.point(GILLAM) == pytest.approx((0, 0))
    north, east = projection.point(Place(60, GILLAM.lon)), projection.point(Place(GILLAM.lat, -90))
    assert north is not None
    assert east is not None
    assert north[1] < -0.3
    assert east[0] > 0.2


def test_a_story_counts_spacecraft_and_what_has_no_place() -> None:
    rows = [_row("gillam", "swarma", 10), _row("gillam", "swarma", 300), _row("ekati", "swarmb", 5)]
    places = SearchPlaces(places=((GILLAM, (57, -95)), (GILLAM, (58, -95)), ((64, -110), None)))
    story = story_of(rows, places)
    assert (story.title, story.unplaced) == ("2 conjunctions", 1)
    assert story.subtitle == "2020-01-01 00:00 to 2020-01-01 00:03 UTC, nbtrace"
    assert story.moving == [("Swarma", 2)]
    assert [meeting.distance_km for meeting in story.meetings] == [300, 10]  # the nearest is drawn last


def test_marks_have_the_colour_of_their_distance_where_they_are(tmp_path: Path) -> None:
    near, far = Place(GILLAM.lat, -91.0), Place(GILLAM.lat, -98.3)
    site, spacecraft = Body("gillam", moves=False), Body("Swarm A", moves=True)
    meetings = [
        Meeting(distance, ((site, GILLAM), (spacecraft, place))) for distance, place in ((500.0, far), (1.0, near))
    ]
    draw(Story("2 conjunctions", "", meetings, moving=[("Swarm A", 2)]), tmp_path / "map.png")
    picture = _pixels(tmp_path / "map.png")
    projection = Projection.of([place for meeting in meetings for _, place in meeting.bodies])
    for place, share in ((near, 0.0), (far, 1.0)):
        point = projection.point(place)
        assert point is not None
        found = picture.getpixel((round(2 * (395 + 345 * point[0])), round(2 * (385 + 345 * point[1]))))
        assert isinstance(found, tuple)
        wanted = bytes.fromhex(color_of(share)[1:])
        assert all(abs(a - b) < 40 for a, b in zip(found, wanted, strict=True)), (found, tuple(wanted))


@pytest.mark.parametrize("count", [0, 1, 3000])
def test_none_and_many_can_be_drawn(tmp_path: Path, count: int) -> None:
    site = Body("a site with a name that is longer than any that there is", moves=False)
    meetings = [
        Meeting(n % 500, ((site, GILLAM), (Body(f"Spacecraft {n % 40}", moves=True), Place(n % 180 - 90, n % 360))))
        for n in range(count)
    ]
    moving = [(f"Spacecraft {n}", 75) for n in range(min(count, 40))]
    draw(Story(f"{count} conjunctions", "", meetings, unplaced=7, moving=moving), tmp_path / "map.png")
    assert _pixels(tmp_path / "map.png").size == (2240, 1540)


@pytest.mark.parametrize(("farthest_km", "end_km"), [(0, 4), (3.2, 4), (18, 20), (299, 300), (488, 500), (499.9, 500)])
def test_the_scale_of_distances_ends_at_a_round_number(farthest_km: float, end_km: float) -> None:
    assert round_km(farthest_km) == end_km
