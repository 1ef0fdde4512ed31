"""The OpenAPI page: it has the routes of the table, all of them and no other, each told in full."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from contracts.http.problems import PROBLEMS
from contracts.http.routes import ROUTES
from tests.support.gateways import Door


def served(app: FastAPI) -> set[tuple[str, str]]:
    """Return every route of the gateway; other surfaces than our own are not on the page."""
    routers = app.state.services["gateway"].routers
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return {(method, route.path) for route in routes for method in route.methods or ()}


async def operations(door: Door) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations under /v1 as the page has them."""
    document = (await door.http.get("/openapi.json")).json()
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path.startswith("/v1")
    }


async def test_the_gateway_serves_its_rows_of_the_table_and_nothing_else(door: Door) -> None:
    expected = {(route.method, route.path) for route in ROUTES if route.service == "gateway"}
    assert set(await operations(door)) == {(method, path) for method, path in expected if path.startswith("/v1/")}
    assert served(door.app) == expected


async def test_every_operation_says_what_it_does_and_shows_what_it_answers(door: Door) -> None:
    for (method, path), operation in (await operations(door)).items():
        assert operation["summary"], (method, path)
        assert len(operation["description"]) > 40, (method, path)
        good = {status: answer for status, answer in operation["responses"].items() if status < "300"}
        assert good, (method, path)
        for status, answer in good.items():
            content = answer.get("content", {})
            if status == "204" or not content:
                continue
            assert all("schema" in kind for kind in content.values()), (method, path, status)
        if method != "DELETE" and not path.endswith("/image"):
            shown = [kind for answer in good.values() for kind in answer.get("content", {}).values()]
            assert any("example" in kind or "examples" in kind for kind in shown), (method, path)


async def test_every_body_has_a_schema_and_an_example(door: Door) -> None:
    for (method, path), operation in (await operations(door)).items():
        if method not in {"POST", "PATCH"} or path.endswith(("/cancel", "/requeue")):
            continue
        (body,) = operation["requestBody"]["content"].values()
        assert "schema" in body, (method, path)
        shown = "example" in body or "examples" in body or "examples" in body["schema"]
        assert shown, (method, path)


async def test_every_operation_lists_its_problems_by_code(door: Door) -> None:
    for (method, path), operation in (await operations(door)).items():
        codes = {
            code
            for answer in operation["responses"].values()
            for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
        }
        assert {"not_authenticated", "not_allowed", "unavailable"} <= codes, (method, path)
        assert codes <= set(PROBLEMS), (method, path)


async def test_every_parameter_is_described(door: Door) -> None:
    for (method, path), operation in (await operations(door)).items():
        for parameter in operation.get("parameters", []):
            described = parameter.get("description") or parameter["schema"].get("description")
            assert described, (method, path, parameter["name"])


async def test_other_methods_are_refused_as_problems(door: Door) -> None:
    for method, path in [("PUT", "/v1/queries"), ("PATCH", "/v1/queries/x"), ("DELETE", "/v1/detectors")]:
        response = await door.http.request(method, path)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert (await door.http.get("/v1/nothing")).json()["code"] == "not_found"
