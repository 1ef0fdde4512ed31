"""The administrator's list of searches, and deleting one."""

from typing import Annotated

from fastapi import APIRouter, Query

from contracts.http.aurorax import ListedSearch, UtcSecond
from contracts.v1.query import QueryErased
from contracts.v1.search import SearchType
from services.gateway.aurorax.finding import find_search
from services.gateway.aurorax.status import to_listed
from services.gateway.facts import add_fact
from services.kit.aurorax import PREFIX
from services.kit.errors import Unavailable
from services.kit.http import Admin, PlatformDep
from services.kit.store.port import Cursor, QueryFilter

router = APIRouter(prefix=f"{PREFIX}/utils/admin/search_requests", include_in_schema=False)

_MOST = 10_000
_AT_ONCE = 200


@router.get("")
async def list_searches(
    *,
    caller: Admin,
    platform: PlatformDep,
    search_type: SearchType | None = None,
    active: bool | None = None,
    start: UtcSecond | None = None,
    end: UtcSecond | None = None,
    file_size: Annotated[int | None, Query(ge=0)] = None,
    result_count: Annotated[int | None, Query(ge=0)] = None,
    query_duration: Annotated[int | None, Query(ge=0)] = None,
) -> list[ListedSearch]:
    """Answer with the newest searches, of the last ones asked for; sizes, counts and milliseconds are lower bounds."""
    wanted = QueryFilter(kind="search", created_from=start, created_until=end)
    found: list[ListedSearch] = []
    cursor: Cursor | None = None
    while len(found) < _MOST:
        page = await platform.store.queries.page(caller.tenant, wanted, cursor, _AT_ONCE)
        for document in page.items:
            request = document.search_request
            if request is None or search_type not in {None, request.search_type}:
                continue
            row = to_listed(document, request)
            bounds = (
                (row.file_size, file_size),
                (row.result_count, result_count),
                (row.query_duration, query_duration),
            )
            if active in {None, row.active} and all(least is None or (had or 0) >= least for had, least in bounds):
                found.append(row)
        cursor = page.next
        if cursor is None:
            break
    return found[:_MOST]


@router.delete("/{request_id}")
async def delete_search(request_id: str, caller: Admin, platform: PlatformDep) -> dict[str, str]:
    """Erase the search with its rows; 200 means that it is gone.

    Raises:
        Unavailable: it will be, but is not yet.
    """
    search = await find_search(platform, caller.tenant, request_id)
    erased = QueryErased(query_id=request_id, erased_at=platform.clock.now(), erased_by=caller.key_id)
    found = await add_fact(platform, search.found, erased, lambda document: document.erased_at is not None)
    if found.document is None or found.document.erased_at is None:
        raise Unavailable("the search is being deleted; ask again")
    return {"request_id": request_id}
