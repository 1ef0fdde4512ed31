"""The first token of an installation: let in once, and made anew together with the pepper."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.compose.prepare import add_first_token
from infra.compose.secret_files import make_secrets
from services.kit.auth import Authenticator, key_id_of, pepper_of
from services.kit.clock import SystemClock
from services.kit.errors import ConfigError, Refused
from services.kit.settings import Settings, load
from services.kit.store.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as opened:
        yield opened


def made(folder: Path) -> tuple[Settings, str]:
    """What prepare reads of the secrets, made where they are missing."""
    make_secrets(folder)
    settings = load({"SIGHTLINE_TOKEN_PEPPER_FILE": str(folder / "token-pepper")})
    return settings, (folder / "token").read_text().strip()


async def test_a_new_pepper_with_a_new_token_lets_in_that_token_and_no_older(
    store: SqliteStore, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    settings, old = made(folder)
    await add_first_token(store, settings, old)
    for name in ("token-pepper", "token"):
        (folder / name).unlink()
    settings, new = made(folder)
    for _ in range(2):
        await add_first_token(store, settings, new)
    door = Authenticator(store, pepper_of(settings), None)
    assert (await door.caller({"x-api-token": new})).key_id == key_id_of(new)
    with pytest.raises(Refused, match="not_authenticated"):
        await door.caller({"x-api-token": old})


async def test_a_new_pepper_alone_is_refused_with_what_to_do(store: SqliteStore, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    settings, token = made(folder)
    await add_first_token(store, settings, token)
    (folder / "token-pepper").unlink()
    settings, token = made(folder)
    with pytest.raises(ConfigError, match=r"another token-pepper: .*remove `token`") as refused:
        await add_first_token(store, settings, token)
    assert token not in str(refused.value)


async def test_a_first_token_that_was_revoked_stays_so(store: SqliteStore, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    settings, token = made(folder)
    await add_first_token(store, settings, token)
    record = await store.tokens.find(key_id_of(token))
    assert record is not None
    removed = record.model_copy(update={"removed_at": SystemClock().now(), "revision": record.revision + 1})
    await store.tokens.replace(removed)
    (folder / "token-pepper").unlink()
    settings, token = made(folder)
    await add_first_token(store, settings, token)
    assert await store.tokens.find(key_id_of(token)) == removed
