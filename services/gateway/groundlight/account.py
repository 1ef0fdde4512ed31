"""Who calls, and their tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from contracts.http.groundlight import ApiToken, Group, Me
from services.kit.auth import Caller
from services.kit.errors import Refused
from services.kit.groundlight import PREFIX
from services.kit.http import PlatformDep

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_ANONYMOUS = "anonymous"


async def _any_caller(request: Request) -> Caller:
    """Return who calls, whatever the token allows: the client asks this first, and takes 403 for a broken server."""
    caller: Caller = await request.app.state.authenticator.caller(request.headers)
    return caller


AnyCaller = Annotated[Caller, Depends(_any_caller)]


@router.get("/me")
async def me(caller: AnyCaller, platform: PlatformDep) -> Me:
    """Answer with the token's name as the user and the tenant as the group."""
    record = await platform.store.tokens.get(caller.tenant, caller.key_id) if caller.key_id else None
    name = record.name if record is not None else _ANONYMOUS
    return Me(email=name, username=name, group=Group(id=1, name=caller.tenant))


@router.get("/api-tokens/by-snippet/{snippet}")
async def token_by_snippet(snippet: str, caller: AnyCaller, platform: PlatformDep) -> ApiToken:
    """Answer with the caller's token. It has no lifetime, so the client makes no others from it."""
    record = await platform.store.tokens.get(caller.tenant, caller.key_id) if caller.key_id == snippet else None
    if record is None:
        raise Refused("token_not_found", "a token can look up itself only")
    return ApiToken(name=record.name[:64], raw_key_snippet=record.id, created_at=record.created_at)
