"""The token that a newcomer's client programs need, made when the embedded store is new."""

from pathlib import Path

from contracts.http.tokens import TokenCreate
from services.gateway.tokens import Tokens
from services.kit.auth import pepper_of
from services.kit.clock import SystemClock
from services.kit.runtime import open_store
from services.kit.settings import Settings

_SCHEME = "sqlite:///"
_NAME = "first"


async def make_first_token(settings: Settings) -> str | None:
    """Return a token of the tenant that calls without one belong to; None unless the store is made just now.

    Where such calls are refused there is no tenant to give it to, and on a server the store is somebody's already.

    Raises:
        ConfigError: the store cannot be used.
    """
    tenant = settings.admitted_tenant
    if tenant is None or not _is_new(settings.store_url):
        return None
    clock = SystemClock()
    async with open_store(settings, clock) as store:
        tokens = Tokens(store, clock, pepper_of(settings))
        return (await tokens.create(tenant, TokenCreate(name=_NAME))).token


def _is_new(store_url: str) -> bool:
    return store_url.startswith(_SCHEME) and not Path(store_url.removeprefix(_SCHEME)).exists()
