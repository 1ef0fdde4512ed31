"""Where the sources of conjunctions were: what a map is drawn from."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.kit.store.ephemeris import COLUMNS, DAY_MINUTES, EphemerisRecord, Position, pack, position_at, unpack
from tests.support.searching import SITES, TENANT, Searching, conjunction_query, searching
from tests.support.space import DAY, FIRST_MINUTE, make_record, make_records


async def _places(house: Searching, query: dict[str, Any]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """Ask, wait; return the rows and the places of each."""
    path = await house.ask(query)
    await house.end(path)
    answer = await house.http.get(f"/v1/queries/{path.rsplit('/', 1)[-1]}/places")
    assert answer.status_code == 200, answer.text
    rows, places = await house.rows(path), answer.json()["places"]
    assert len(rows) == len(places)
    return rows, places


async def test_each_row_has_the_places_of_its_sources_when_they_were_closest(tmp_path: Path) -> None:
    async with searching(tmp_path, search_part_days=1) as house:
        rows, places = await _places(house, conjunction_query())
        known = await house.platform.store.ephemeris.read(TENANT, (3,), DAY, DAY + 9, COLUMNS)
    orbit = {record.minute: record.nbtrace for day in known[3] for record in unpack(day)}
    assert len(rows) > 50
    for row, (site, spacecraft) in zip(rows, places, strict=True):
        minute = int(datetime.fromisoformat(row["closest_epoch"]).replace(tzinfo=UTC).timestamp()) // 60
        assert tuple(site) == SITES[row["data_sources"][0]["identifier"]][1:]
        assert tuple(spacecraft) == orbit[minute]


async def test_custom_locations_and_half_minutes_have_places_too(tmp_path: Path) -> None:
    here = {"lat": 55.2, "lon": -94.6}
    query = conjunction_query(
        ground=[],
        adhoc=[{"locations": [{"lat": 80, "lon": 170}, here]}],
        max_distances={"space1-adhoc1": 500},
        subminute_precision=True,
    )
    async with searching(tmp_path) as house:
        rows, places = await _places(house, query)
        known = await house.platform.store.ephemeris.read(TENANT, (3,), DAY, DAY + 9, COLUMNS)
    orbit = {record.minute: record.nbtrace for day in known[3] for record in unpack(day)}
    halves = 0
    for row, (spacecraft, site) in zip(rows, places, strict=True):
        if row["data_sources"][1]["identifier"] == -2:
            assert site == [here["lat"], here["lon"]]
        minute, beyond_s = divmod(int(datetime.fromisoformat(row["closest_epoch"] + "Z").timestamp()), 60)
        one, other = orbit[minute], orbit.get(minute + 1)
        assert one is not None
        if beyond_s:
            assert other is not None
            halves += 1
            assert min(one.lat, other.lat) - 1 < spacecraft[0] < max(one.lat, other.lat) + 1
        else:
            assert tuple(spacecraft) == one
    assert halves > 5


async def test_what_was_removed_since_has_no_place(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        path = await house.ask(conjunction_query())
        await house.end(path)
        await house.platform.store.ephemeris.delete(TENANT, 3, 0, 2**40)
        answer = await house.http.get(f"/v1/queries/{path.rsplit('/', 1)[-1]}/places")
    assert all(spacecraft is None and site is not None for site, spacecraft in answer.json()["places"])


async def test_only_complete_conjunction_searches_have_places(tmp_path: Path) -> None:
    query = {"start": "2020-01-01T00:00:00", "end": "2020-01-01T00:01:00", "data_sources": {"programs": ["swarm"]}}
    async with searching(tmp_path) as house:
        path = await house.ask(query, "ephemeris")
        await house.end(path)
        for query_id in (path.rsplit("/", 1)[-1], "sr_" + "0" * 27, "iq_" + "0" * 27):
            answer = await house.http.get(f"/v1/queries/{query_id}/places")
            assert (answer.status_code, answer.json()["code"]) == (404, "query_not_found")


@pytest.mark.parametrize("lat", [None, 12.5])
def test_a_place_is_found_by_its_minute(lat: float | None) -> None:
    minutes = (0, 1, 5, 700, 1438, 1439)
    records = make_records(minutes, lat=lat)
    [day] = pack(records)
    for minute in range(DAY_MINUTES):
        expected = make_record(minute, lat=lat).nbtrace if minute in minutes else None
        assert position_at(day, "nbtrace", FIRST_MINUTE + minute) == expected
    assert position_at(day, "sbtrace", FIRST_MINUTE + 1) is None  # a record without that place


def test_the_only_minute_of_a_day_has_its_place() -> None:
    [day] = pack([EphemerisRecord(minute=FIRST_MINUTE + 9, nbtrace=Position(1, 2))])
    assert position_at(day, "nbtrace", FIRST_MINUTE + 9) == Position(1, 2)
