"""Tenants and scopes: another tenant's things do not exist, and a token allows what it says."""

from pathlib import Path

import httpx2
import pytest

from contracts.http.routes import ROUTES
from contracts.http.tokens import SCOPES, Scope
from services.gateway.service import create as create_gateway
from services.kit.runtime import running
from services.kit.settings import load
from tests.support.documents import make_model
from tests.support.gateways import TENANT, Door, client_of, expect_problem

GATEWAY = [route for route in ROUTES if route.service == "gateway"]

NEEDED: dict[tuple[str, str], Scope] = {
    ("GET", "/v1/queries"): "queries:read",
    ("GET", "/v1/queries/{query_id}"): "queries:read",
    ("GET", "/v1/queries/{query_id}/image"): "queries:read",
    ("GET", "/v1/queries/{query_id}/places"): "queries:read",
    ("POST", "/v1/queries/{query_id}/cancel"): "queries:write",
    ("POST", "/v1/queries/{query_id}/labels"): "labels:write",
    ("DELETE", "/v1/queries/{query_id}"): "queries:write",
    ("GET", "/v1/detectors"): "queries:read",
    ("POST", "/v1/detectors"): "detectors:write",
    ("GET", "/v1/detectors/{detector}"): "queries:read",
    ("PATCH", "/v1/detectors/{detector}"): "detectors:write",
    ("DELETE", "/v1/detectors/{detector}"): "detectors:write",
    ("GET", "/v1/models"): "queries:read",
    ("POST", "/v1/models"): "admin",
    ("GET", "/v1/models/{model}"): "queries:read",
    ("PATCH", "/v1/models/{model}"): "admin",
    ("DELETE", "/v1/models/{model}"): "admin",
    ("GET", "/v1/tokens"): "admin",
    ("POST", "/v1/tokens"): "admin",
    ("DELETE", "/v1/tokens/{key_id}"): "admin",
    ("GET", "/v1/dead-letters"): "admin",
    ("GET", "/v1/dead-letters/{letter_id}"): "admin",
    ("GET", "/v1/dead-letters/{letter_id}/image"): "admin",
    ("POST", "/v1/dead-letters/{letter_id}/requeue"): "admin",
    ("DELETE", "/v1/dead-letters/{letter_id}"): "admin",
    ("PUT", "/v1/ephemeris/{source}"): "sources:write",
    ("GET", "/device-api/v1/image-queries"): "queries:read",
    ("GET", "/device-api/v1/image-queries/{query_id}"): "queries:read",
    ("GET", "/device-api/v1/image-queries/{query_id}/image"): "queries:read",
    ("POST", "/device-api/v1/labels"): "labels:write",
    ("GET", "/device-api/v1/detectors"): "queries:read",
    ("POST", "/device-api/v1/detectors"): "detectors:write",
    ("GET", "/device-api/v1/detectors/{detector_id}"): "queries:read",
    ("PATCH", "/device-api/v1/detectors/{detector_id}"): "detectors:write",
    ("DELETE", "/device-api/v1/detectors/{detector_id}"): "detectors:write",
    ("GET", "/device-api/v1/detector-groups"): "queries:read",
    ("POST", "/device-api/v1/detector-groups"): "detectors:write",
    ("GET", "/device-api/v1/notes"): "queries:read",
    ("POST", "/device-api/v1/notes"): "detectors:write",
    ("GET", "/device-api/v1/detectors/{detector_id}/pipelines"): "queries:read",
    ("GET", "/device-api/v1/detectors/{detector_id}/metrics"): "queries:read",
    ("GET", "/device-api/v1/detectors/{detector_id}/evaluation"): "queries:read",
    ("DELETE", "/device-api/v1/detector-reset/{detector_id}"): "queries:write",
    ("GET", "/device-api/v1/month-to-date-account-info"): "queries:read",
    ("GET", "/device-api/v1/priming-groups"): "queries:read",
    ("POST", "/device-api/v1/priming-groups"): "detectors:write",
    ("GET", "/device-api/v1/priming-groups/{group_id}"): "queries:read",
    ("DELETE", "/device-api/v1/priming-groups/{group_id}"): "detectors:write",
    ("GET", "/edge-info"): "queries:read",
    ("GET", "/edge-config"): "queries:read",
    ("PUT", "/edge-config"): "detectors:write",
    ("GET", "/edge-detector-readiness"): "queries:read",
    ("POST", "/device-api/v1/vlm-verifications"): "queries:read",
    ("POST", "/device-api/v1/synthetic-images"): "queries:read",
    ("GET", "/device-api/v1/edge/fetch-model-urls/{detector_id}/"): "queries:read",
    ("GET", "/device-api/v1/actions/detector/{detector_id}/rules"): "queries:read",
    ("POST", "/device-api/v1/actions/detector/{detector_id}/rules"): "queries:read",
    ("GET", "/device-api/v1/actions/rules"): "queries:read",
    ("GET", "/api/v1/{kind}/requests/{request_id}"): "queries:read",
    ("DELETE", "/api/v1/{kind}/requests/{request_id}"): "queries:write",
    ("GET", "/api/v1/{kind}/requests/{request_id}/data"): "queries:read",
    ("POST", "/api/v1/{kind}/requests/{request_id}/data"): "queries:read",
    ("POST", "/api/v1/utils/describe/query/{kind}"): "queries:read",
    ("GET", "/api/v1/data_sources"): "queries:read",
    ("POST", "/api/v1/data_sources"): "sources:write",
    ("POST", "/api/v1/data_sources/search"): "queries:read",
    ("GET", "/api/v1/data_sources/{identifier}"): "queries:read",
    ("GET", "/api/v1/data_sources/{identifier}/stats"): "queries:read",
    ("PUT", "/api/v1/data_sources/{identifier}"): "sources:write",
    ("PATCH", "/api/v1/data_sources/{identifier}"): "sources:write",
    ("DELETE", "/api/v1/data_sources/{identifier}"): "sources:write",
    ("POST", "/api/v1/data_sources/{identifier}/ephemeris"): "sources:write",
    ("DELETE", "/api/v1/data_sources/{identifier}/ephemeris"): "sources:write",
    ("POST", "/api/v1/data_sources/{identifier}/data_products"): "sources:write",
    ("DELETE", "/api/v1/data_sources/{identifier}/data_products"): "sources:write",
    ("GET", "/api/v1/availability/ephemeris"): "queries:read",
    ("GET", "/api/v1/availability/data_products"): "queries:read",
    ("GET", "/api/v1/utils/admin/search_requests"): "admin",
    ("DELETE", "/api/v1/utils/admin/search_requests/{request_id}"): "admin",
}
OF_ADMIN = {"detectors:write", "sources:write"}
ANY_TOKEN = {("GET", "/device-api/v1/me"), ("GET", "/device-api/v1/api-tokens/by-snippet/{snippet}")}

OPEN = {("GET", "/")}
"""Says that somebody is there, and nothing else."""


def expect_refusal(response: httpx2.Response, path: str, code: str) -> str:
    """Check a refusal in the form of the path's clients; return its text."""
    if not path.startswith("/api/v1/"):
        return expect_problem(response, code)
    assert (response.status_code, response.headers["content-type"]) == (401, "application/json")
    return str(response.json()["error_message"])


def test_every_route_states_the_scope_that_it_needs() -> None:
    assert set(NEEDED) | ANY_TOKEN | OPEN == {(route.method, route.path) for route in GATEWAY}


@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
async def test_a_route_is_closed_to_every_token_without_its_scope(door: Door, method: str, path: str) -> None:
    needed = NEEDED[method, path]
    address = path.replace("{query_id}", "iq_" + "0" * 27).replace("{detector}", "x").replace("{model}", "x")
    address = address.replace("{key_id}", "x").replace("{detector_id}", "x").replace("{group_id}", "x")
    address = address.replace("{identifier}", "46")
    others = [scope for scope in SCOPES if scope not in {needed, "admin" if needed in OF_ADMIN else ""}]
    refused = await door.http.request(method, address, headers=await door.token(*others), json={})
    assert needed in expect_refusal(refused, path, "not_allowed")
    allowed = await door.http.request(method, address, headers=await door.token(needed), json={})
    assert allowed.status_code not in {401, 403}


@pytest.mark.parametrize(("method", "path"), sorted({*NEEDED, *ANY_TOKEN}))
async def test_without_a_token_nothing_is_answered_where_nobody_is_admitted(
    tmp_path: Path, method: str, path: str
) -> None:
    settings = load({}, data=tmp_path, bus="memory://", anonymous_tenant="")
    async with running(settings, [create_gateway]) as app, client_of(app) as http:
        for headers in ({}, {"Authorization": "Bearer api_" + "x" * 40}, {"x-api-token": ""}):
            expect_refusal(await http.request(method, path, headers=headers, json={}), path, "not_authenticated")
        expect_refusal(await http.request(method, path + "?token=api_x", json={}), path, "not_authenticated")


async def test_another_tenants_things_do_not_exist(door: Door) -> None:
    detector = await door.detector("door")
    model = make_model("door", tenant=TENANT).model_copy(update={"status": "ready"})
    await door.platform.store.models.insert(model)
    query_id = await door.ask(detector["id"])
    token = (await door.http.post("/v1/tokens", json={"name": "gate"})).json()
    claim = await door.claim(detector["id"])
    stranger = await door.token(tenant="other")
    actions = (("GET", ""), ("GET", "/image"), ("POST", "/cancel"), ("POST", "/labels"), ("DELETE", ""))
    tries = [
        (method, f"/v1/queries/{one}{rest}", "query_not_found")
        for one in (query_id, claim.id)
        for method, rest in actions
    ]
    for method in ("GET", "PATCH", "DELETE"):
        tries += [(method, f"/v1/detectors/{one}", "detector_not_found") for one in (detector["id"], "door")]
        tries += [(method, f"/v1/models/{one}", "model_not_found") for one in (model.id, "door")]
    tries.append(("DELETE", f"/v1/tokens/{token['key_id']}", "token_not_found"))
    tries.append(("GET", f"/v1/queries?detector={detector['id']}", "detector_not_found"))
    for method, address, code in tries:
        body = {"label": "YES"} if address.endswith("labels") else {}
        expect_problem(await door.http.request(method, address, headers=stranger, json=body), code)
    for address in ("/v1/queries", "/v1/detectors", "/v1/models"):
        assert (await door.http.get(address, headers=stranger)).json()["items"] == []
    listed = (await door.http.get("/v1/tokens", headers=stranger)).json()["items"]
    assert [item["name"] for item in listed] == ["test"]
    refused = await door.http.post(
        "/v1/detectors", headers=stranger, json={"name": "door", "query": "?", "model": model.id}
    )
    expect_problem(refused, "model_not_found")
    mine = await door.http.get(f"/v1/queries/{query_id}")
    assert (mine.json()["state"], mine.json()["answers"]) == ("submitted", [])


async def test_names_are_free_in_every_tenant(door: Door) -> None:
    mine = await door.detector("door")
    theirs = await door.http.post(
        "/v1/detectors", headers=await door.token(tenant="other"), json={"name": "door", "query": "Another?"}
    )
    assert theirs.status_code == 201
    assert (await door.http.get("/v1/detectors/door")).json() == mine
