"""The token that a newcomer's client programs need, made when the embedded store is new."""

from pathlib import Path

from contracts.http.tokens import SCOPES, TokenCreate
from services.gateway.tokens import Tokens
from services.kit.auth import pepper_of
from services.kit.clock import SystemClock
from services.kit.runtime import open_store
from services.kit.settings import Settings

_SCHEME = "sqlite:///"
_NAME = "first"
_TENANT = "default"


async def make_first_token(settings: Settings) -> str | None:
    """Return a token of the tenant that calls without one belong to; None unless the store is made just now.

    Where such calls are refused nobody could make another, so there it may do everything. On a server the store is
    somebody's already.

    Raises:
        ConfigError: the store cannot be used.
    """
    if not _is_new(settings.store_url):
        return None
    tenant = settings.admitted_tenant
    wanted = TokenCreate(name=_NAME) if tenant is not None else TokenCreate(name=_NAME, scopes=SCOPES)
    clock = SystemClock()
    async with open_store(settings, clock) as store:
        tokens = Tokens(store, clock, pepper_of(settings))
        return (await tokens.create(tenant or _TENANT, wanted)).token


def _is_new(store_url: str) -> bool:
    return store_url.startswith(_SCHEME) and not Path(store_url.removeprefix(_SCHEME)).exists()
