"""Routes of our own API about searches."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from contracts.http.aurorax import ConjunctionQuery
from contracts.http.searches import Place, SearchPlaces
from services.gateway import examples
from services.gateway.aurorax.finding import check_complete, find_search
from services.gateway.routes_queries import QueryIdPath
from services.gateway.search_places import places_of
from services.kit.aurorax import read_query
from services.kit.errors import Refused
from services.kit.http import PlatformDep, Reader, problems

router = APIRouter(tags=["queries"])


@router.get(
    "/v1/queries/{query_id}/places",
    summary="Get the places of a conjunction search",
    response_model=SearchPlaces,
    responses={
        200: examples.PLACES,
        **problems("query_not_found", "query_erased", "not_authenticated", "not_allowed", "unavailable"),
    },
)
async def get_places(query_id: QueryIdPath, caller: Reader, platform: PlatformDep) -> StreamingResponse:
    """Answer with the place of each source of each row when the sources were closest, for drawing them.

    They are looked up in the ephemeris as it is now: what was removed since has no place.
    """
    search = await find_search(platform, caller.tenant, query_id)
    query = read_query(search.request.search_type, json.loads(search.request.query_json))
    if not isinstance(query, ConjunctionQuery):
        raise Refused("query_not_found", "only conjunctions have places")
    check_complete(search)
    return _streamed(places_of(platform.store, search.document.key, query))


def _streamed(groups: AsyncIterator[list[list[Place]]]) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"places":['
        comma = ""
        async for group in groups:
            yield f"{comma}{json.dumps(group, separators=(',', ':'))[1:-1]}".encode()
            comma = ","
        yield b"]}"

    return StreamingResponse(body(), media_type="application/json")
