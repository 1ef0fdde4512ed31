"""The status of a search, and cancelling it."""

from fastapi import APIRouter

from contracts.http.aurorax import SearchStatus
from contracts.v1.query import QueryCancelled
from services.gateway.aurorax.finding import find_search
from services.gateway.aurorax.status import to_status
from services.gateway.facts import add_fact
from services.kit.aurorax import PREFIX
from services.kit.http import PlatformDep, Reader, Writer

router = APIRouter(prefix=PREFIX, include_in_schema=False)


@router.get("/{kind}/requests/{request_id}")
async def get_status(kind: str, request_id: str, caller: Reader, platform: PlatformDep) -> SearchStatus:
    """Answer with what is known of the search now."""
    search = await find_search(platform, caller.tenant, request_id, kind)
    return to_status(search.document, search.request)


@router.delete("/{kind}/requests/{request_id}")
async def cancel(kind: str, request_id: str, caller: Writer, platform: PlatformDep) -> SearchStatus:
    """Stop the search; its parts in work come to nothing. One that has ended stays as it is, with its rows."""
    search = await find_search(platform, caller.tenant, request_id, kind)
    if search.document.ended:
        return to_status(search.document, search.request)
    now = platform.clock.now()
    cancelled = QueryCancelled(query_id=request_id, cancelled_at=now, cancelled_by=caller.key_id)
    found = await add_fact(platform, search.found, cancelled, lambda document: document.ended)
    return to_status(found.document or search.document, search.request)
