"""The calls about searches; how they stand is asked as of any query."""

import json
from collections.abc import Mapping
from typing import Any

from contracts.http.queries import Query
from contracts.http.searches import SearchPlaces
from contracts.v1.search import SearchType
from sightline.calls import Call, Reply, json_text, reader, segment
from sightline.errors import NotFound, NotSightline

_PATHS: Mapping[SearchType, str] = {
    "conjunction": "conjunctions",
    "ephemeris": "ephemeris",
    "data_product": "data_products",
}
Row = dict[str, Any]
"""One result, as docs/aurorax.md describes it."""


def submit(search_type: SearchType, query: Mapping[str, Any]) -> Call[str]:
    """Ask; the reply is the search's ID."""
    return Call(
        method="POST",
        path=f"/api/v1/{_PATHS[search_type]}/search",
        read=_id,
        headers={"content-type": "application/json"},
        content=json_text(dict(query), "invalid_parameter").encode(),
    )


def rows(query: Query) -> Call[list[Row]]:
    """Read the rows of a complete search.

    Raises:
        NotFound: it is no search.
    """
    if query.search is None:
        raise NotFound("query_not_found", f"{query.id} is no search", status=404)
    return Call(method="GET", path=query.search.url, read=_rows)


def places(query_id: str) -> Call[SearchPlaces]:
    """Read where the sources of each row of a conjunction search were when they were closest."""
    return Call(method="GET", path=f"/v1/queries/{segment(query_id)}/places", read=reader(SearchPlaces))


def _id(reply: Reply) -> str:
    found = reply.headers.get("location", "").rpartition("/")[2]
    if not found:
        raise NotSightline(f"the answer to a search has no address (HTTP {reply.status})")
    return found


def _rows(reply: Reply) -> list[Row]:
    try:
        found: list[Row] = json.loads(reply.body)["result"]
    except (ValueError, KeyError, TypeError):
        raise NotSightline(f"the answer has no rows of a search (HTTP {reply.status})") from None
    return found
