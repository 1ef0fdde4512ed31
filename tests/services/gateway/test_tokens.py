"""API tokens: shown once, listed without secrets, refused once revoked."""

from typing import Any

import pytest

from contracts.http.tokens import SCOPES
from tests.support.gateways import TENANT, Door, expect_problem


async def create(door: Door, **fields: Any) -> dict[str, Any]:
    """Create a token over HTTP."""
    response = await door.http.post("/v1/tokens", json={"name": "gate-3"} | fields)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def test_a_token_is_shown_once_and_works(door: Door) -> None:
    response = await door.http.post("/v1/tokens", json={"name": "gate-3", "scopes": ["queries:read", "queries:read"]})
    created = response.json()
    assert (response.status_code, response.headers["cache-control"]) == (201, "no-store")
    assert created["scopes"] == ["queries:read"]
    token = created["token"]
    assert (len(token), token[:20]) == (44, created["key_id"])
    headers = {"Authorization": f"Bearer {token}"}
    assert (await door.http.get("/v1/queries", headers=headers)).status_code == 200
    expect_problem(await door.http.get("/v1/tokens", headers=headers), "not_allowed")
    listed = await door.http.get("/v1/tokens")
    assert [item["key_id"] for item in listed.json()["items"]] == [created["key_id"]]
    assert token[20:] not in listed.text
    record = await door.platform.store.tokens.get(TENANT, created["key_id"])
    assert record is not None
    assert token[20:] not in record.model_dump_json()


async def test_a_token_may_do_everything_but_administer_unless_it_says_otherwise(door: Door) -> None:
    assert (await create(door))["scopes"] == [scope for scope in SCOPES if scope != "admin"]


async def test_a_revoked_token_is_refused_and_not_listed(door: Door) -> None:
    created = await create(door)
    assert (await door.http.delete(f"/v1/tokens/{created['key_id']}")).status_code == 204
    headers = {"x-api-token": created["token"]}
    expect_problem(await door.http.get("/v1/queries", headers=headers), "not_authenticated")
    assert (await door.http.get("/v1/tokens")).json()["items"] == []
    expect_problem(await door.http.delete(f"/v1/tokens/{created['key_id']}"), "token_not_found")


@pytest.mark.parametrize("key_id", ["api_nobody", "%00", "a" * 10_000])
async def test_an_unknown_token_is_not_found(door: Door, key_id: str) -> None:
    expect_problem(await door.http.delete(f"/v1/tokens/{key_id}"), "token_not_found")


async def test_tokens_are_listed_in_pages_newest_first(door: Door) -> None:
    created = [(await create(door, name=f"gate-{number}"))["key_id"] for number in range(3)]
    first = (await door.http.get("/v1/tokens?limit=2")).json()
    second = (await door.http.get("/v1/tokens", params={"cursor": first["next_cursor"]})).json()
    assert [item["key_id"] for item in first["items"] + second["items"]] == created[::-1]
    expect_problem(await door.http.get("/v1/tokens?cursor=x"), "invalid_parameter")


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x" * 201}, {"name": "a", "scopes": []}, {"name": "a", "scopes": ["root"]},
             {"name": "a", "tenant": "other"}]
)  # fmt: skip
async def test_a_token_that_cannot_be_is_refused(door: Door, body: dict[str, Any]) -> None:
    expect_problem(await door.http.post("/v1/tokens", json=body), "invalid_parameter")
