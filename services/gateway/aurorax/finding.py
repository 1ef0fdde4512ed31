"""Finding a search by its request ID."""

from dataclasses import dataclass
from datetime import timedelta

from contracts.ids import SEARCH, id_time, is_id
from contracts.v1.search import SearchSubmitted, SearchType
from services.gateway.lookup import Found, look_up
from services.kit.aurorax import SEARCH_TYPES
from services.kit.errors import Refused
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument
from services.kit.view import pending_document


@dataclass(frozen=True, slots=True)
class Search:
    """A search as far as it is known."""

    found: Found
    document: QueryDocument
    request: SearchSubmitted


async def find_search(platform: Platform, tenant: str, request_id: str, kind: str | None = None) -> Search:
    """Return the search; `kind` is how its type is called in the address.

    Raises:
        Refused: query_not_found, which says so when the search was kept as long as this installation keeps them;
            query_erased.
    """
    wanted: SearchType | None = None
    if kind is not None:
        wanted = SEARCH_TYPES.get(kind)
        if wanted is None:
            raise Refused("not_found")
    if not is_id(request_id, SEARCH):
        raise Refused("query_not_found", "the ID of a request is sr_ and 27 letters and digits")
    try:
        found = await look_up(platform, tenant, request_id)
    except Refused as error:
        raise _why_not(platform, request_id) if error.code == "query_not_found" else error from None
    request = found.request
    if not isinstance(request, SearchSubmitted) or wanted not in {None, request.search_type}:
        raise Refused("query_not_found")
    document = found.document or (pending_document(found.claim) if found.claim is not None else None)
    if document is None:
        raise Refused("query_not_found")
    return Search(found, document, request)


def check_complete(search: Search) -> None:
    """Return if the rows of the search are all there.

    Raises:
        Refused: query_not_found, with the state.
    """
    if search.document.state != "answered":
        state = search.document.state
        detail = "it is not complete yet" if not search.document.ended else f"its state is {state}"
        raise Refused("query_not_found", f"the request has no data: {detail}")


def _why_not(platform: Platform, request_id: str) -> Refused:
    minted_at, days = id_time(request_id), platform.settings.retention_days
    if minted_at is not None and minted_at + timedelta(days=days) <= platform.clock.now():
        return Refused("query_not_found", f"searches are removed {days:g} days after they were asked, this one too")
    return Refused("query_not_found", "no request has this ID")
