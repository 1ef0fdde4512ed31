"""Routes of the API tokens."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Response
from fastapi import Query as Parameter

from contracts.http.tokens import TokenCreate, TokenCreated, TokenPage
from services.gateway import examples
from services.gateway.bodies import needs_json
from services.gateway.conditional import FRESH, SECRET
from services.gateway.control import ControlDep
from services.gateway.cursor import decode_cursor, encode_cursor
from services.gateway.paging import PageParameters
from services.kit.http import Admin, problems

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])

KeyIdPath = Annotated[str, Path(description="The token's public part.", examples=["api_3Kq9VtZw1XyB7nRd"])]

_COMMON = ("not_authenticated", "not_allowed", "unavailable")


@router.post(
    "",
    summary="Create a token",
    status_code=201,
    responses={201: examples.TOKEN_CREATED, **problems(*_COMMON, "invalid_parameter", "media_type", "bad_request")},
    dependencies=[Depends(needs_json)],
)
async def create_token(
    wanted: Annotated[TokenCreate, Body(examples=[{"name": "gate-3", "scopes": ["queries:write"]}])],
    caller: Admin,
    control: ControlDep,
    response: Response,
) -> TokenCreated:
    """Make a token of the caller's tenant. This answer is the only place where the whole token is ever shown."""
    response.headers["Cache-Control"] = SECRET
    return await control.tokens.create(caller.tenant, wanted)


@router.get(
    "",
    summary="List tokens, newest first",
    responses={200: examples.TOKENS, **problems(*_COMMON, "invalid_parameter")},
)
async def list_tokens(
    parameters: Annotated[PageParameters, Parameter()], caller: Admin, control: ControlDep, response: Response
) -> TokenPage:
    """Answer with a page of the tokens that are not revoked, without their secrets."""
    page = await control.tokens.page(caller.tenant, decode_cursor(parameters.cursor), parameters.limit)
    response.headers["Cache-Control"] = FRESH
    return TokenPage(items=tuple(page.items), next_cursor=encode_cursor(page.next))


@router.delete(
    "/{key_id}",
    summary="Revoke a token",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "It is revoked."}, **problems(*_COMMON, "token_not_found")},
)
async def revoke_token(key_id: KeyIdPath, caller: Admin, control: ControlDep) -> Response:
    """Revoke a token, for good. Every door refuses it within a few seconds."""
    await control.tokens.revoke(caller.tenant, key_id)
    return Response(status_code=204)
