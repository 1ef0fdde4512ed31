"""Searches through the house: asked, planned, worked in parts, put together, looked up."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contracts.ids import SEARCH, new_id
from contracts.v1.search import SearchSubmitted
from services.gateway.service import create as create_gateway
from services.kit.bus.codec import decode, encode, event_of
from services.kit.runtime import Factory
from services.kit.store.documents import QueryKey
from services.kit.store.port import Swap
from services.result_store.service import create as create_result_store
from services.submitter.service import create as create_submitter
from tests.support.documents import make_document
from tests.support.searching import TENANT, conjunction_query, searching
from tests.support.until import until

WITHOUT_WORKERS: tuple[Factory, ...] = (create_result_store, create_submitter, create_gateway)
_EPHEMERIS = {
    "start": "2020-01-01T23:58:30",
    "end": "2020-01-02T00:01:30",
    "data_sources": {"programs": ["swarm", "themis-asi"], "platforms": [], "instrument_types": []},
}
_PRODUCTS = {
    "start": "2020-01-02T00:00:00",
    "end": "2020-01-03T23:59:59",
    "data_sources": {"programs": ["themis-asi"], "platforms": [], "instrument_types": []},
    "data_product_type_filters": ["keogram"],
}


def key_of(path: str) -> QueryKey:
    return QueryKey(TENANT, path.rsplit("/", 1)[-1])


async def test_a_search_is_accepted_with_an_absolute_address_of_its_status(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        answer = await house.http.post("/api/v1/conjunctions/search", json=conjunction_query())
        assert answer.status_code == 202
        location = answer.headers["location"]
        assert location.startswith("http://test/api/v1/conjunctions/requests/sr_")
        at_once = await house.status(location.removeprefix("http://test"))
        assert at_once["search_request"]["request_type"] == "conjunction"
        assert at_once["search_request"]["query"] == conjunction_query() | {"request_id": location.rsplit("/", 1)[-1]}


async def test_however_a_search_is_cut_into_parts_its_rows_are_the_same(tmp_path: Path) -> None:
    async with searching(tmp_path / "a", search_part_days=366) as whole:
        expected = await whole.found(conjunction_query())
    assert any(row["start"][:10] < row["end"][:10] for row in expected), "a run must cross midnight"
    async with searching(tmp_path / "b", search_part_days=1, search_parts_at_once=3) as cut:
        path = await cut.ask(conjunction_query())
        status = await cut.end(path)
        assert await cut.rows(path) == expected
        assert status["search_result"]["result_count"] == len(expected)
        assert "the search is worked in 4 parts" in [line["summary"] for line in status["logs"]]


async def test_at_most_so_many_parts_of_a_search_are_published_at_a_time(tmp_path: Path) -> None:
    published: list[int] = []
    async with searching(tmp_path, search_part_days=1, search_parts_at_once=2) as house:
        publish = house.platform.bus.publish
        done: list[int] = []

        async def seen(messages: Any) -> None:
            for message in messages:
                key = message.routing_key
                if key.startswith("search.part.v1"):
                    published.append(len(done))
                elif key.startswith("search.part_done.v1"):
                    done.append(1)
            await publish(messages)

        house.platform.bus.publish = seen  # type: ignore[method-assign]
        await house.found(conjunction_query())
    assert len(published) == 4
    assert all(number - finished < 2 for number, finished in enumerate(published))


async def test_custom_locations_types_hemispheres_and_filters_choose_rows(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        everything = await house.found(conjunction_query())
        space = {"programs": ["swarm"]}
        place = {"locations": [{"lat": 56.376723, "lon": -94.643664}]}
        near = await house.found(
            conjunction_query(ground=[], space=[space], adhoc=[place], max_distances={"adhoc1-space1": 500})
        )
        gillam = [row for row in everything if row["data_sources"][0]["platform"] == "gillam"]
        assert [(row["start"], row["end"], row["min_distance"]) for row in near] == [
            (row["start"], row["end"], row["min_distance"]) for row in gillam
        ]
        assert near[0]["data_sources"][1]["identifier"] < 0
        assert await house.found(conjunction_query(space=[space | {"hemisphere": ["southern"]}])) == []
        assert await house.found(conjunction_query(conjunction_types=["sbtrace"])) == []
        both = await house.found(conjunction_query(conjunction_types=["nbtrace", "geographic"]))
        assert len(both) == 2 * len(everything)
        bare_list = [{"key": "ml_cloud_v1", "operator": "=", "values": ["not classified as cloud"]}]
        ground = {"programs": ["themis-asi"], "ephemeris_metadata_filters": bare_list}
        clear = await house.found(conjunction_query(ground=[ground]))
        assert 0 < len(clear) != len(everything)


async def test_ephemeris_comes_chronologically_across_part_borders(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        rows = await house.found(_EPHEMERIS, "ephemeris")
    minutes = ["2020-01-01T23:59:00", "2020-01-02T00:00:00", "2020-01-02T00:01:00"]
    assert [(row["epoch"], row["data_source"]["identifier"]) for row in rows] == [
        (minute, source) for minute in minutes for source in (3, 46, 55)
    ]
    assert rows[1]["location_gsm"] == {"lat": None, "lon": None}
    assert rows[1]["nbtrace"] == {"lat": 56.376723, "lon": -94.643664}
    assert rows[0]["metadata"] == {"state": "synthetic"}
    assert set(rows[0]) == {
        "data_source", "epoch", "location_geo", "location_gsm", "nbtrace", "sbtrace", "metadata"
    }  # fmt: skip


async def test_data_products_begin_and_end_within_the_search(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        rows = await house.found(_PRODUCTS, "data_products")
        assert [(row["start"], row["data_source"]["identifier"]) for row in rows] == [
            (f"2020-01-0{day}T00:00:00", source) for day in (2, 3) for source in (46, 55)
        ]
        chosen = {"key": "level", "operator": ">=", "values": ["2"]}
        sources = _PRODUCTS["data_sources"] | {"data_product_metadata_filters": {"expressions": [chosen]}}  # type: ignore[operator]
        assert len(await house.found(_PRODUCTS | {"data_sources": sources}, "data_products")) == 2
        assert await house.found(_PRODUCTS | {"data_product_type_filters": ["movie"]}, "data_products") == []


async def test_response_format_keeps_what_is_true(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        path = await house.ask(conjunction_query())
        await house.end(path)
        wanted = {"start": True, "end": False, "data_sources": {"identifier": True}, "events": {"min_distance": True}}
        answer = await house.http.post(f"{path}/data", json=wanted)
        first = answer.json()["result"][0]
        assert set(first) == {"start", "data_sources", "events"}
        assert first["data_sources"] == [{"identifier": 46}, {"identifier": 3}]
        assert set(first["events"][0]) == {"min_distance"}


async def test_a_cancelled_search_ends_its_clients_wait_and_its_parts(tmp_path: Path) -> None:
    async with searching(tmp_path, factories=WITHOUT_WORKERS) as house:
        path = await house.ask(conjunction_query())
        answer = await house.http.request("DELETE", path, content=b"{}")
        assert answer.status_code == 200
        status = await house.end(path)
        assert status["search_result"]["error_condition"] is True
        assert status["search_result"]["data_uri"] == f"{path}/data"
        assert status["logs"][-1]["summary"] == "the search was cancelled"
        assert (await house.http.get(f"{path}/data")).status_code == 404
        assert (await house.http.request("DELETE", path, content=b"{}")).status_code == 200
    async with searching(tmp_path) as house:  # the workers come now, and find the question in their queue
        await house.found(conjunction_query())
        assert await house.platform.store.search_rows.recorded(key_of(path)) == {}


async def test_a_search_that_is_submitted_again_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async with searching(tmp_path, search_part_days=1) as house:
        path = await house.ask(conjunction_query())
        await house.end(path)
        expected = await house.rows(path)
        recorded = await house.platform.store.search_rows.recorded(key_of(path))
        assert set(recorded) == {1, 2, 3, 4, -1, -2, -3, -4}
        again = await house.ask(conjunction_query())
        await house.end(again)
        assert await house.rows(again) == expected


async def test_a_part_that_is_there_twice_is_worked_once_and_followed_once(tmp_path: Path) -> None:
    published: Counter[str] = Counter()
    async with searching(tmp_path, search_part_days=1, search_parts_at_once=1) as house:
        publish = house.platform.bus.publish

        async def doubling(messages: Any) -> None:
            said = [str(decode(message).id) for message in messages]
            published.update(said)
            await publish([*messages, *(m for m, what in zip(messages, said, strict=True) if what.endswith("part1"))])

        house.platform.bus.publish = doubling  # type: ignore[method-assign]
        path = await house.ask(conjunction_query())
        await house.end(path)
    name = path.rpartition("/")[2]
    ours = {said: count for said, count in published.items() if ".part" in said or ".done" in said}
    assert ours == {f"{name}.{step}{part}": 1 for step in ("part", "done") for part in (1, 2, 3, 4)}


async def test_ten_searches_run_beside_each_other(tmp_path: Path) -> None:
    async with searching(tmp_path, search_part_days=1) as house:
        found = await asyncio.gather(*(house.found(conjunction_query()) for _ in range(10)))
    assert all(rows == found[0] for rows in found)


async def test_a_search_that_a_fact_has_overtaken_is_known_by_its_claim(tmp_path: Path) -> None:
    async with searching(tmp_path, (create_submitter, create_gateway)) as house:
        path = await house.ask(conjunction_query())
        overtaken = make_document(key_of(path).id, tenant=TENANT, requested=False).model_copy(update={"kind": "search"})
        await house.platform.store.queries.swap([Swap(overtaken, 0)])
        status = await house.status(path)
    assert status["search_request"]["query"]["conjunction_types"] == ["nbtrace"]
    assert status["search_result"]["data_uri"] is None


async def test_a_deleted_search_is_gone_with_its_rows(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        path = await house.ask(conjunction_query())
        await house.end(path)
        listed = (await house.http.get("/api/v1/utils/admin/search_requests?active=False")).json()
        assert [row["request_id"] for row in listed] == [key_of(path).id]
        assert listed[0]["result_file_exists"] is True
        deleted = await house.http.delete(f"/api/v1/utils/admin/search_requests/{key_of(path).id}")
        assert deleted.status_code == 200
        assert (await house.http.get(path)).status_code == 404
        assert (await house.http.get("/api/v1/utils/admin/search_requests")).json() == []

        async def rows_are_gone() -> bool:
            return not await house.platform.store.search_rows.recorded(key_of(path))

        await until(rows_are_gone)


@pytest.mark.parametrize("kind", ["conjunction", "ephemeris", "data_products"])
async def test_a_query_is_described_in_words(tmp_path: Path, kind: str) -> None:
    queries = {"conjunction": conjunction_query(), "ephemeris": _EPHEMERIS, "data_products": _PRODUCTS}
    async with searching(tmp_path, factories=WITHOUT_WORKERS) as house:
        answer = await house.http.post(f"/api/v1/utils/describe/query/{kind}", json=queries[kind])
        text = answer.json()
    expected = {
        "conjunction": "Find conjunctions of type (nbtrace) with epoch precision of 60 seconds between data sources of "
        "ground1=(program in (themis-asi) AND platform in (gillam, fort smith)) AND space1=(program in (swarm)) WHERE "
        "epochs are between 2020-01-01T00:00:00 AND 2020-01-04T23:59:59 UTC HAVING max distances between location "
        "points of ground1-space1=500 km.",
        "ephemeris": "Find ephemeris for (program in (swarm, themis-asi)) AND epoch between 2020-01-01T23:58:30 and "
        "2020-01-02T00:01:30 UTC",
        "data_products": "Find data_products for (program in (themis-asi)) AND data_product start >= "
        "2020-01-02T00:00:00 UTC AND data_product end <= 2020-01-03T23:59:59 UTC AND data_product_type in (keogram)",
    }
    assert text == expected[kind]


async def test_our_own_lookup_shows_a_search_too(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        path = await house.ask(conjunction_query())
        await house.end(path)
        query = (await house.http.get(f"/v1/queries/{key_of(path).id}")).json()
        assert (query["kind"], query["state"]) == ("search", "answered")
        assert query["search"]["type"] == "conjunction"
        assert query["search"]["parts_done"] == query["search"]["parts"] == 1
        assert query["search"]["url"] == f"{path}/data"


async def test_another_tenants_search_does_not_exist(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        path = await house.ask(conjunction_query())
        await house.end(path)
    async with searching(tmp_path, anonymous_tenant="other") as stranger:
        for method, address in (("GET", path), ("DELETE", path), ("GET", f"{path}/data"), ("POST", f"{path}/data")):
            answer = await stranger.http.request(method, address, json={})
            assert (answer.status_code, answer.json()["error_code"]) == (404, "NotFound")
        wrong_kind = path.replace("conjunctions", "ephemeris")
    async with searching(tmp_path) as house:
        assert (await house.http.get(wrong_kind)).status_code == 404
        assert (await house.status(path))["search_result"]["error_condition"] is False


async def test_a_search_that_no_door_has_checked_fails_with_the_reason(tmp_path: Path) -> None:
    async with searching(tmp_path) as house:
        now = house.platform.clock.now()
        search = SearchSubmitted(
            query_id=new_id(SEARCH, now), search_type="conjunction", query_json='{"start": 1}', submitted_at=now
        )
        event = event_of(search, source="device", tenant=TENANT, at=now, subject=search.query_id)
        await house.platform.bus.publish([encode(event)])
        path = f"/api/v1/conjunctions/requests/{search.query_id}"
        status = await house.end(path)
        assert status["search_result"]["error_condition"] is True
        assert status["search_result"]["data_uri"] == f"{path}/data"
        assert "query_invalid" in status["logs"][-1]["summary"]
        assert "a time like" in status["logs"][-1]["summary"]


async def test_half_minutes_are_looked_at_when_asked_for(tmp_path: Path) -> None:
    async with searching(tmp_path, search_part_days=1) as house:
        minutes = await house.found(conjunction_query())
        halves = await house.found(conjunction_query(subminute_precision=True))
    assert {row["start"][-2:] for row in minutes} == {"00"}
    assert {row["start"][-2:] for row in halves} == {"00", "30"}
    assert len(halves) >= len(minutes)
