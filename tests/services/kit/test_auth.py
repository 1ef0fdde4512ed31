"""Authentication: tokens, scopes, tenants; nothing tells what was wrong with a token."""

import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.kit.auth import Authenticator, hash_secret, key_id_of, new_token, pepper_of
from services.kit.clock import SystemClock
from services.kit.errors import ConfigError, Refused, Unavailable
from services.kit.settings import load
from services.kit.store.records import TokenRecord
from services.kit.store.sqlite import SqliteStore

PEPPER = b"pepper"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as opened:
        yield opened


async def add(store: SqliteStore, token: str, **given: object) -> TokenRecord:
    record = TokenRecord.model_validate(
        {
            "tenant": "acme",
            "id": key_id_of(token),
            "name": "robot",
            "created_at": NOW,
            "updated_at": NOW,
            "secret_hash": hash_secret(token, PEPPER),
            "scopes": ("queries:read",),
            **given,
        }
    )
    await store.tokens.insert(record)
    return record


def test_tokens_have_the_form_that_clients_expect() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 44 and token.startswith("api_") and token[4:].isalnum() for token in tokens)
    assert all(len(key_id_of(token)) == 20 for token in tokens)


@pytest.mark.parametrize("header", ["authorization", "x-api-token"])
async def test_a_token_names_tenant_and_scopes(store: SqliteStore, header: str) -> None:
    token = new_token()
    await add(store, token)
    value = f"Bearer {token}" if header == "authorization" else token
    caller = await Authenticator(store, PEPPER, None).caller({header: value})
    assert (caller.tenant, caller.key_id) == ("acme", key_id_of(token))
    assert caller.scopes == {"queries:read"}
    caller.need("queries:read")
    with pytest.raises(Refused, match="not_allowed"):
        caller.need("admin")


async def test_wrong_unknown_revoked_and_malformed_tokens_look_alike(store: SqliteStore) -> None:
    good, revoked = new_token(), new_token()
    await add(store, good)
    await add(store, revoked, removed_at=NOW)
    authenticator = Authenticator(store, PEPPER, "default")
    wrong = [key_id_of(good) + new_token()[20:], new_token(), revoked, "api_short", "", good + "x", "é" * 44]
    messages = set()
    for token in wrong:
        with pytest.raises(Refused) as caught:
            await authenticator.caller({"x-api-token": token})
        messages.add(str(caught.value))
    assert len(messages) == 1


async def test_a_wrong_token_is_refused_even_where_anonymous_calls_are_admitted(store: SqliteStore) -> None:
    authenticator = Authenticator(store, PEPPER, "default")
    assert (await authenticator.caller({})).tenant == "default"
    with pytest.raises(Refused):
        await authenticator.caller({"authorization": f"Bearer {new_token()}"})
    with pytest.raises(Refused, match="not_authenticated"):
        await Authenticator(store, PEPPER, None).caller({})


async def test_a_hash_made_with_another_pepper_does_not_match(store: SqliteStore) -> None:
    token = new_token()
    await add(store, token)
    with pytest.raises(Refused):
        await Authenticator(store, b"other", None).caller({"x-api-token": token})


async def test_a_known_token_is_believed_while_the_store_is_away(tmp_path: Path) -> None:
    token = new_token()
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as opened:
        await add(opened, token)
        authenticator = Authenticator(opened, PEPPER, None, fresh_s=0)
        await authenticator.caller({"x-api-token": token})
    assert (await authenticator.caller({"x-api-token": token})).tenant == "acme"
    with pytest.raises(Unavailable):
        await authenticator.caller({"x-api-token": new_token()})


def test_the_generated_pepper_stays_and_is_private(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path / "data")
    pepper = pepper_of(settings)
    assert pepper_of(settings) == pepper
    assert len(pepper) == 64
    assert stat.S_IMODE((tmp_path / "data" / "token-pepper").stat().st_mode) == 0o600


def test_an_empty_pepper_is_no_pepper(tmp_path: Path) -> None:
    (tmp_path / "token-pepper").touch()  # as a power cut leaves it
    settings = load({}, data=tmp_path)
    pepper = pepper_of(settings)
    assert len(pepper) == 64
    assert pepper_of(settings) == pepper


def test_a_damaged_pepper_is_said(tmp_path: Path) -> None:
    (tmp_path / "token-pepper").write_bytes(bytes(range(128, 192)))
    with pytest.raises(ConfigError, match="damaged"):
        pepper_of(load({}, data=tmp_path))
