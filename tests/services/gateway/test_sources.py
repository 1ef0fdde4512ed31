"""Data sources over HTTP, in the forms of the AuroraX client."""

import asyncio
from typing import Any

import httpx2
import pytest

from services.kit.store.ephemeris import pack
from services.kit.store.records import source_name
from tests.support.gateways import TENANT, Door
from tests.support.space import FIRST_MINUTE, make_product, make_records

PATH = "/api/v1/data_sources"
BASIC = ["identifier", "program", "platform", "instrument_type", "source_type", "display_name"]
FULL = [*BASIC, "metadata", "owner", "maintainers", "ephemeris_metadata_schema", "data_product_metadata_schema"]
FIELD = {"field_name": "state", "description": "", "data_type": "string", "allowed_values": ["definitive"]}


def source(**fields: Any) -> dict[str, Any]:
    """A source as the client adds it."""
    return {
        "program": "swarm",
        "platform": "swarma",
        "instrument_type": "footprint",
        "source_type": "leo",
        "display_name": "Swarm A",
        "ephemeris_metadata_schema": [FIELD],
        "data_product_metadata_schema": None,
        "metadata": {"launched": 2013},
    } | fields


async def add(door: Door, **fields: Any) -> dict[str, Any]:
    """Add a source."""
    answer = await door.http.post(PATH, json=source(**fields))
    assert answer.status_code == 200, answer.text
    added: dict[str, Any] = answer.json()
    return added


def refusal(answer: httpx2.Response, status: int) -> str:
    """Check that it is an error in the client's form; return code and text."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    body = answer.json()
    assert set(body) == {"error_code", "error_message"}
    return f"{body['error_code']}: {body['error_message']}"


async def test_a_source_comes_back_in_every_format(door: Door) -> None:
    added = await add(door, identifier=3)
    assert list(added) == FULL
    assert added["ephemeris_metadata_schema"] == [FIELD | {"additional_description": "", "searchable": True}]
    assert (added["metadata"], added["data_product_metadata_schema"]) == ({"launched": 2013}, [])
    for name, keys in {
        "identifier_only": BASIC[:1],
        "basic_info": BASIC,
        "with_metadata": [*BASIC, "metadata"],
        "full_record": FULL,
    }.items():
        asked = {"format": name, "include_stats": "False"}
        shown = (await door.http.get(f"{PATH}/3", params=asked)).json()
        assert shown == {key: added[key] for key in keys}
        assert (await door.http.get(PATH, params=asked)).json() == [shown]
        assert (await door.http.post(f"{PATH}/search", params=asked, json={"programs": ["swarm"]})).json() == [shown]
    assert list((await door.http.get(f"{PATH}/3")).json()) == BASIC


async def test_filters_admit_what_is_exactly_that(door: Door) -> None:
    await add(door)
    await add(door, platform="swarmb", display_name="Swarm B", owner="a@example.org")
    await add(door, program="rego", platform="gillam", source_type="ground")

    async def listed(**asked: str) -> list[int]:
        return [each["identifier"] for each in (await door.http.get(PATH, params=asked)).json()]

    assert await listed() == [1, 2, 3]
    assert await listed(program="swarm") == [1, 2]
    assert await listed(program="swarm", platform="swarmb") == [2]
    assert await listed(source_type="ground") == [3]
    assert await listed(owner="a@example.org") == [2]
    assert await listed(program="swar") == []
    assert "source_type" in refusal(await door.http.get(PATH, params={"source_type": "moon"}), 400)
    assert "format" in refusal(await door.http.get(PATH, params={"format": "everything"}), 400)
    wanted = {"programs": ["swarm", "rego"], "platforms": ["swarmb", "gillam"], "instrument_types": []}
    assert [each["identifier"] for each in (await door.http.post(f"{PATH}/search", json=wanted)).json()] == [2, 3]


async def test_a_source_belongs_to_the_name_of_the_token_that_added_it(door: Door) -> None:
    answer = await door.http.post(PATH, json=source(), headers=await door.token("sources:write"))
    assert answer.json()["owner"] == "test"
    assert (await add(door, platform="swarmb"))["owner"] is None


async def test_identifier_and_triple_are_unique(door: Door) -> None:
    await add(door, identifier=3)
    for taken in (source(identifier=3, platform="other"), source(identifier=4), source()):
        assert "Duplicate: " in refusal(await door.http.post(PATH, json=taken), 409)
    answers = await asyncio.gather(*(door.http.post(PATH, json=source(platform="one")) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]
    several = await asyncio.gather(*(add(door, platform=f"of {n}") for n in range(8)))
    assert sorted(each["identifier"] for each in several) == list(range(5, 13))


async def test_behind_the_largest_identifier_one_must_be_named(door: Door) -> None:
    await add(door, identifier=2**53 - 1)
    assert "name one" in refusal(await door.http.post(PATH, json=source(platform="swarmb")), 409)
    assert (await add(door, identifier=7, platform="swarmb"))["identifier"] == 7


async def test_null_leaves_a_field_alone(door: Door) -> None:
    added = await add(door, identifier=3)
    nothing = dict.fromkeys(FULL)
    assert (await door.http.patch(f"{PATH}/3", json=nothing | {"identifier": 3})).json() == added
    wanted = {"display_name": "Swarm Alpha", "metadata": {}, "maintainers": ["b@example.org"], "owner": "c"}
    changed = (await door.http.patch(f"{PATH}/3", json=nothing | wanted)).json()
    assert changed == added | wanted
    assert (await door.http.get(f"{PATH}/3", params={"format": "full_record"})).json() == changed


async def test_a_replacement_empties_what_is_null(door: Door) -> None:
    added = await add(door, identifier=3, owner="a@example.org", maintainers=["b@example.org"])
    whole = dict.fromkeys(FULL) | {key: added[key] for key in BASIC} | {"platform": "swarmb"}
    replaced = (await door.http.put(f"{PATH}/3", json=whole)).json()
    emptied: dict[str, Any] = {"metadata": {}, "maintainers": [], "ephemeris_metadata_schema": []}
    assert replaced == added | {"platform": "swarmb"} | emptied
    assert "program" in refusal(await door.http.put(f"{PATH}/3", json=whole | {"program": None}), 400)


async def test_a_change_is_refused_by_a_status_that_the_client_shows(door: Door) -> None:
    await add(door, identifier=3)
    await add(door, identifier=4, platform="swarmb")
    assert "taken" in refusal(await door.http.patch(f"{PATH}/4", json={"platform": "swarma"}), 400)
    assert "identifier" in refusal(await door.http.patch(f"{PATH}/4", json={"identifier": 5}), 400)
    assert "source_type" in refusal(await door.http.patch(f"{PATH}/4", json={"source_type": "moon"}), 400)
    unknown = "No Data Source record found in AuroraX for identifier 9"
    for method in ("GET", "PATCH", "DELETE"):
        assert unknown in refusal(await door.http.request(method, f"{PATH}/9", json={}), 404)
    for odd in ("9" * 5000, "-1", str(2**64)):
        assert "identifier" in refusal(await door.http.get(f"{PATH}/{odd}"), 404 if len(odd) < 5000 else 400)
    assert refusal(await door.http.get(f"{PATH}/x"), 400)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"program": ""}, "program"),
        ({"program": "x" * 201}, "program"),
        ({"platform": "x" * 51}, "platform"),
        ({"platform": " swarma"}, "platform"),
        ({"instrument_type": "a\nb"}, "instrument_type"),
        ({"display_name": None}, "display_name"),
        ({"source_type": "moon"}, "source_type"),
        ({"identifier": 0}, "identifier"),
        ({"identifier": -3}, "identifier"),
        ({"identifier": 2**53}, "identifier"),
        ({"identifier": "3"}, "identifier"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": "x" * 5000}}, "4096 characters"),
        ({"ephemeris_metadata_schema": [FIELD, FIELD]}, "two fields have one field_name"),
        ({"ephemeris_metadata_schema": [{}]}, "ephemeris_metadata_schema.0.field_name"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_what_is_wrong_with_a_new_source_is_said_by_its_place(
    door: Door, fields: dict[str, Any], place: str
) -> None:
    assert place in refusal(await door.http.post(PATH, json=source(**fields)), 400)
    assert (await door.http.get(PATH)).json() == []


async def test_a_source_with_records_is_not_deleted(door: Door) -> None:
    await add(door, identifier=46)
    store = door.platform.store
    await store.ephemeris.put(TENANT, 46, pack(make_records((0, 1))))
    await store.data_products.put([make_product(tenant=TENANT)])
    text = refusal(await door.http.delete(f"{PATH}/46"), 409)
    assert text.startswith("Conflict: ")
    assert "2 records of ephemeris and 1 data products" in text
    await store.ephemeris.delete(TENANT, 46, 0, 2**40)
    assert "0 records of ephemeris and 1 data" in refusal(await door.http.delete(f"{PATH}/46"), 409)
    await store.data_products.delete(TENANT, 46, [make_product().url])
    assert (await door.http.delete(f"{PATH}/46")).status_code == 200
    assert (await door.http.get(PATH)).json() == []


async def test_what_is_deleted_is_free_again_but_not_given_unasked(door: Door) -> None:
    for identifier in (1, 2):
        await add(door, identifier=identifier, platform=f"of {identifier}")
    await door.http.delete(f"{PATH}/2")
    assert (await add(door, platform="of 2"))["identifier"] == 3
    # As if the process had died between an upload to the deleted source and taking it back.
    await door.platform.store.ephemeris.put(TENANT, 2, pack(make_records((0,))))
    again = await add(door, identifier=2, platform="again")
    assert again["platform"] == "again"
    assert await door.platform.store.ephemeris.extent(TENANT, 2) is None
    assert await door.platform.store.sources.by_name(TENANT, source_name("swarm", "of 2", "footprint")) is not None


async def test_statistics_say_how_much_there_is(door: Door) -> None:
    await add(door, identifier=46)
    asked = {"format": "basic_info", "include_stats": "True"}
    nothing = (await door.http.get(f"{PATH}/46", params=asked)).json()["stats"]
    assert nothing == {
        "ephemeris_count": 0,
        "data_product_count": 0,
        "earliest_ephemeris_loaded": None,
        "latest_ephemeris_loaded": None,
        "earliest_data_product_loaded": None,
        "latest_data_product_loaded": None,
    }
    await door.platform.store.ephemeris.put(TENANT, 46, pack(make_records((5, 1500))))
    assert FIRST_MINUTE == 18262 * 1440
    stats = (await door.http.get(PATH, params=asked)).json()[0]["stats"]
    assert (stats["ephemeris_count"], stats["data_product_count"]) == (2, 0)
    assert stats["earliest_ephemeris_loaded"] == "2020-01-01T00:05:00"
    assert stats["latest_ephemeris_loaded"] == "2020-01-02T01:00:00"


async def test_another_tenants_sources_do_not_exist(door: Door) -> None:
    await add(door, identifier=3)
    stranger = await door.token(tenant="other")
    assert (await door.http.get(PATH, headers=stranger)).json() == []
    for method in ("GET", "PATCH", "DELETE"):
        refusal(await door.http.request(method, f"{PATH}/3", headers=stranger, json={}), 404)
    assert (await door.http.post(PATH, headers=stranger, json=source(identifier=3))).status_code == 200
