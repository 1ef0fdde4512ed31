"""Who calls: tokens, scopes, tenants.

A token is `api_` and 40 base62 characters. Its first 20 characters are the public key id; of the rest only a keyed
hash is stored. The secrets are random and long, so a fast keyed hash is right: a slow one would only help attackers
to keep us busy.
"""

import hashlib
import hmac
import os
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from contracts.http.tokens import SCOPES, Scope
from services.kit.errors import ConfigError, Refused
from services.kit.places import make_folder
from services.kit.remembering import FRESH_S, Remembering
from services.kit.settings import Settings
from services.kit.store.port import Store
from services.kit.store.records import TokenRecord

_PREFIX = "api_"
_KEY_ID_LENGTH = 20
_TOKEN_LENGTH = 44
_BASE62 = string.digits + string.ascii_letters
_UNKNOWN = (
    "the token is not known here or was revoked; without it on the platform's machine, or with one of an admin, make "
    "another: sightline tokens create NAME"
)
_OF_ADMIN: frozenset[Scope] = frozenset({"detectors:write", "sources:write"})
"""What `admin` includes."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request speaks for. `key_id` and `name`, those of the token, are "" for an anonymous call."""

    tenant: str
    scopes: frozenset[Scope]
    key_id: str = ""
    name: str = ""

    def need(self, scope: Scope) -> None:
        """Raise Refused unless the caller holds `scope`."""
        included = scope in _OF_ADMIN and "admin" in self.scopes
        if scope not in self.scopes and not included:
            raise Refused("not_allowed", f"this call needs a token with the scope {scope}")


def new_token() -> str:
    """Return a fresh token."""
    return _PREFIX + "".join(secrets.choice(_BASE62) for _ in range(_TOKEN_LENGTH - len(_PREFIX)))


def key_id_of(token: str) -> str:
    """Return the public part of a token."""
    return token[:_KEY_ID_LENGTH]


def hash_secret(token: str, pepper: bytes) -> str:
    """Return the keyed hash of a token's secret part, hexadecimal."""
    return hmac.new(pepper, token[_KEY_ID_LENGTH:].encode(), hashlib.sha256).hexdigest()


def pepper_of(settings: Settings) -> bytes:
    """Return the key of the token hashes.

    Raises:
        ConfigError: it is not set although several processes must share it, or the file cannot be used.
    """
    if settings.token_pepper is None and not settings.store_url.startswith("sqlite:"):
        raise ConfigError("SIGHTLINE_TOKEN_PEPPER is not set: every service needs the same one")
    pepper = with_own_pepper(settings).token_pepper
    return pepper.get_secret_value().encode() if pepper else b""


def with_own_pepper(settings: Settings) -> Settings:
    """Return the settings with a pepper: theirs, else the one in `data`, which is generated at first start.

    For a process that shares its tokens with no other: the all-in-one.

    Raises:
        ConfigError: the file cannot be used.
    """
    if settings.token_pepper is not None:
        return settings
    path = settings.data / "token-pepper"
    make_folder(settings.data)
    try:
        pepper = _read_or_make(path)
    except OSError as error:
        raise ConfigError(f"cannot use {path}: {error.strerror}") from error
    if not pepper.isascii():
        raise ConfigError(f"{path} is damaged; bring it back from a backup, or delete it and make new tokens")
    return settings.model_copy(update={"token_pepper": SecretStr(pepper.decode())})


def _read_or_make(path: Path) -> bytes:
    if not path.exists() or path.stat().st_size == 0:  # empty: the power went while it was made, no token is older
        made = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    return path.read_bytes()


class Authenticator:
    """Turns request headers into a caller.

    A token is believed for a few seconds without asking the store: a revocation is effective within them.
    """

    def __init__(self, store: Store, pepper: bytes, admitted_tenant: str | None, *, fresh_s: float = FRESH_S) -> None:
        self._store = store
        self._pepper = pepper
        self._admitted_tenant = admitted_tenant
        self._tokens = Remembering(self._read, fresh_s=fresh_s, missing=True)

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return who calls.

        The token comes in `Authorization: Bearer`, `x-api-token` or `x-aurorax-api-key`, never in the address.

        Raises:
            Refused: not_authenticated, without a hint at what was wrong with a token.
        """
        token = _token_in(headers)
        if token is None:
            if self._admitted_tenant is None:
                raise Refused("not_authenticated", "send a token: Authorization: Bearer api_... (SIGHTLINE_TOKEN)")
            return Caller(self._admitted_tenant, frozenset(SCOPES))
        record = await self._tokens.get(key_id_of(token)) if len(token) == _TOKEN_LENGTH else None
        expected = record.secret_hash if record else ""
        # Compared even when the key is unknown, so that the time taken does not tell.
        if not hmac.compare_digest(hash_secret(token, self._pepper), expected) or record is None:
            raise Refused("not_authenticated", _UNKNOWN)
        return Caller(record.tenant, frozenset(record.scopes), record.id, record.name)

    async def _read(self, key_id: str) -> TokenRecord | None:
        record = await self._store.tokens.find(key_id)
        return None if record is None or record.removed_at is not None else record


def _token_in(headers: Mapping[str, str]) -> str | None:
    given = headers.get("x-api-token", headers.get("x-aurorax-api-key"))
    if given is not None:
        return given.strip()
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
