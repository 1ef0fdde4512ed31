"""What the surface promises beyond the client's own calls: tenants, defaults, pages and labels."""

from typing import Any

import httpx2
import pytest

from services.kit.groundlight import PREFIX
from tests.support.gateways import Door, expect_problem


async def make(door: Door, name: str = "door", **fields: Any) -> dict[str, Any]:
    """Create a detector as the client does."""
    response = await door.http.post(f"{PREFIX}/detectors", json={"name": name, "query": "Is it?"} | fields)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def label(door: Door, query_id: str, value: str | None, **fields: Any) -> httpx2.Response:
    """Label a query as the client does."""
    return await door.http.post(f"{PREFIX}/labels", json={"label": value, "image_query_id": query_id} | fields)


async def test_another_tenants_things_do_not_exist(door: Door) -> None:
    detector = await make(door)
    query_id = await door.ask(detector["id"])
    stranger = await door.token(tenant="other")
    for method, path in [
        ("GET", f"/image-queries/{query_id}"),
        ("GET", f"/image-queries/{query_id}/image"),
        ("GET", f"/detectors/{detector['id']}"),
        ("PATCH", f"/detectors/{detector['id']}"),
        ("DELETE", f"/detectors/{detector['id']}"),
    ]:
        response = await door.http.request(method, PREFIX + path, headers=stranger, json={})
        assert response.status_code == 404, (method, path)
    body = {"label": "YES", "image_query_id": query_id}
    expect_problem(await door.http.post(f"{PREFIX}/labels", headers=stranger, json=body), "query_not_found")
    for path in ("/detectors", "/detectors?name=door", "/image-queries"):
        assert (await door.http.get(PREFIX + path, headers=stranger)).json()["count"] == 0
    assert (await door.http.get(f"{PREFIX}/me", headers=stranger)).json()["group"]["name"] == "other"


async def test_a_token_without_any_scope_of_the_surface_still_learns_who_it_is(door: Door) -> None:
    headers = await door.token("labels:write")
    assert (await door.http.get(f"{PREFIX}/me", headers=headers)).json()["username"] == "test"


async def test_the_same_request_id_makes_one_detector_and_another_one_is_told_that_the_name_is_taken(
    door: Door,
) -> None:
    body = {"name": "door", "query": "Is it?"}
    first = await door.http.post(f"{PREFIX}/detectors", json=body, headers={"x-request-id": "req_1"})
    again = await door.http.post(f"{PREFIX}/detectors", json=body, headers={"x-request-id": "req_1"})
    assert (first.json(), again.status_code) == (again.json(), 201)
    other = await door.http.post(f"{PREFIX}/detectors", json=body, headers={"x-request-id": "req_2"})
    expect_problem(other, "name_taken")


async def test_addresses_of_neighbouring_pages_begin_with_the_origin_that_the_client_used(door: Door) -> None:
    for number in range(3):
        await make(door, f"d{number}")
    page = (await door.http.get(f"{PREFIX}/detectors?page=2&page_size=1", headers={"Host": "cameras.lan"})).json()
    assert page["next"] == f"http://cameras.lan{PREFIX}/detectors?page=3&page_size=1"
    assert page["previous"] == f"http://cameras.lan{PREFIX}/detectors?page=1&page_size=1"
    last = (await door.http.get(f"{PREFIX}/detectors?page=3&page_size=1")).json()
    assert last["next"] is None
    assert (await door.http.get(f"{PREFIX}/detectors?page=9")).json()["results"] == []
    for wrong in ("page=0", "page_size=0", "page=x"):
        assert (await door.http.get(f"{PREFIX}/detectors?{wrong}")).status_code == 422


@pytest.mark.parametrize(
    ("fields", "given", "shown"),
    [
        ({}, "yes", {"label": "YES"}),
        ({"mode": "MULTI_CLASS", "mode_configuration": {"class_names": ["a", "b", "c"]}}, "2", {"label": "c"}),
        ({"mode": "MULTI_CLASS", "mode_configuration": {"class_names": ["a", "2"]}}, "2", {"label": "2"}),
        ({"mode": "COUNT", "mode_configuration": {"class_name": "car"}}, "3", {"count": 3, "greater_than_max": False}),
        ({"mode": "COUNT", "mode_configuration": {"class_name": "car", "max_count": 5}}, "6", {"count": 6}),
        ({"mode": "COUNT", "mode_configuration": {"class_name": "car"}}, "UNCLEAR", {"count": None}),
        ({"mode": "BOUNDING_BOX", "mode_configuration": {"class_name": "car"}}, "NO_OBJECTS", {"label": "NO_OBJECTS"}),
        ({"mode": "TEXT", "mode_configuration": {}}, "AB 12", {"text": "AB 12", "truncated": False}),
        ({"mode": "TEXT", "mode_configuration": {}}, "", {"text": ""}),
        ({"mode": "TEXT", "mode_configuration": {}}, "UNCLEAR", {"text": None}),
    ],
)
async def test_a_persons_label_is_the_result_in_every_mode(
    door: Door, fields: dict[str, Any], given: str, shown: dict[str, Any]
) -> None:
    query_id = await door.ask((await make(door, **fields))["id"])
    before = (await door.http.get(f"{PREFIX}/image-queries/{query_id}")).json()["result"]
    assert (before["source"], before["confidence"]) == ("STILL_PROCESSING", None)
    assert (await label(door, query_id, given)).status_code == 201
    result = (await door.http.get(f"{PREFIX}/image-queries/{query_id}")).json()["result"]
    assert (result["source"], result["confidence"]) == ("USER", 1.0)
    assert {key: result[key] for key in shown} == shown
    assert set(result) == set(before)


async def test_regions_that_a_person_draws_come_back_with_their_centres(door: Door) -> None:
    detector = await make(door, mode="BOUNDING_BOX", mode_configuration={"class_name": "car"})
    query_id = await door.ask(detector["id"])
    sides = {"left": 0.2, "top": 0.1, "right": 0.6, "bottom": 0.5}
    roi = {"label": "car", "score": None, "geometry": sides}
    assert (await label(door, query_id, None, rois=[roi])).status_code == 201
    shown = (await door.http.get(f"{PREFIX}/image-queries/{query_id}")).json()
    assert shown["result"]["label"] == "BOUNDING_BOX"
    (drawn,) = shown["rois"]
    assert drawn["geometry"] == sides | {"x": pytest.approx(0.4), "y": pytest.approx(0.3)}
    upside_down = roi | {"geometry": sides | {"top": 0.9}}
    expect_problem(await label(door, query_id, "BOUNDING_BOX", rois=[upside_down]), "label_invalid")


@pytest.mark.parametrize("given", ["MAYBE", "-999", "1.5", "9999"])
async def test_what_is_no_number_is_no_count(door: Door, given: str) -> None:
    detector = await make(door, mode="COUNT", mode_configuration={"class_name": "car"})
    expect_problem(await label(door, await door.ask(detector["id"]), given), "label_invalid")


@pytest.mark.parametrize(
    ("mode", "configuration"),
    [
        ("COUNT", {}),
        ("COUNT", {"class_name": "car", "max_count": 51}),
        ("MULTI_CLASS", {"class_names": ["one"]}),
        ("BOUNDING_BOX", None),
        ("TEXT", {"value_max_length": 251}),
        ("GUESS", {}),
    ],
)
async def test_a_configuration_that_cannot_be_is_refused(door: Door, mode: str, configuration: Any) -> None:
    body = {"name": "door", "query": "?", "mode": mode, "mode_configuration": configuration}
    expect_problem(await door.http.post(f"{PREFIX}/detectors", json=body), "invalid_parameter")
