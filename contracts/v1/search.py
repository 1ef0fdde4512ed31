"""The long search over time and sources: the question, its parts, and the end of its work."""

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from contracts.base import Payload, QueryId, Timestamp

SearchType = Literal["conjunction", "ephemeris", "data_product"]
"""What is searched for."""

MAX_QUERY_CHARACTERS = 200_000
MAX_PARTS = 100_000


def _object(text: str) -> str:
    """Return `text` when it is a JSON object that can be echoed."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        text.encode()
    except (ValueError, RecursionError):  # a lone surrogate fails to encode, as a ValueError
        raise ValueError("must be JSON without NaN, Infinity and lone surrogates") from None
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004 - pydantic reports a ValueError
    return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


QueryJson = Annotated[str, StringConstraints(max_length=MAX_QUERY_CHARACTERS), AfterValidator(_object)]
"""The client's query as text, so that it comes back exactly; `contracts.http.aurorax` reads it."""
PartNumber = Annotated[int, Field(ge=1, le=MAX_PARTS)]
Count = Annotated[int, Field(ge=0)]


class SearchSubmitted(Payload):
    """A search was asked for. Whoever publishes it has minted `query_id` and checked the query."""

    query_id: QueryId
    search_type: SearchType
    query_json: QueryJson
    submitted_at: Timestamp
    expires_at: Timestamp | None = None
    """Work that would begin later than this is shed; None means never."""
    retain_until: Timestamp | None = None
    """When record and rows may be removed; None leaves it to the installation."""


class SearchPart(Payload):
    """A span of a search's time is to be worked.

    Parts go along `stride` chains: after part N comes part N + stride, so at most `stride` of a search wait or are
    worked at a time.
    """

    query_id: QueryId
    search_type: SearchType
    query_json: QueryJson
    submitted_at: Timestamp
    retain_until: Timestamp | None = None
    part: PartNumber
    parts: PartNumber
    stride: PartNumber
    days: PartNumber
    """How many days a part of this search has: the plan does not change while it runs."""
    start: Timestamp
    """First instant of the part, inclusive."""
    end: Timestamp
    """Last instant of the part, inclusive."""


class SearchPartDone(Payload):
    """A part's rows are stored."""

    query_id: QueryId
    asked: SearchPart
    """The part as it was asked: the planner goes on from it."""
    rows: Count
    size_bytes: Count
    worked_s: Annotated[float, Field(ge=0)]
    done_at: Timestamp
    attempt: Annotated[int, Field(ge=1)] = 1
    """How often the part had been handed to a worker by then."""


class SearchAssemble(Payload):
    """Every part of a search is stored: its result is to be put together."""

    query_id: QueryId
    search_type: SearchType
    query_json: QueryJson
    submitted_at: Timestamp
    retain_until: Timestamp | None = None
    parts: PartNumber
    days: PartNumber


class SearchCompleted(Payload):
    """The result of a search is stored whole."""

    query_id: QueryId
    parts: PartNumber
    rows: Count
    size_bytes: Count
    """Of the rows as the client reads them, uncompressed."""
    completed_at: Timestamp
    attempt: Annotated[int, Field(ge=1)] = 1
    """How often what completed it, the parts or the only one of them, had been handed to a worker by then."""
