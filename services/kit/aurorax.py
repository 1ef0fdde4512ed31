"""What both doors of the AuroraX surface share: its paths, its errors, and how its bodies are read."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from contracts.http.aurorax import QUERIES, SearchQuery, SurfaceError
from contracts.http.problems import PROBLEMS
from contracts.v1.search import MAX_QUERY_CHARACTERS, SearchType
from services.kit.errors import Refused

M = TypeVar("M", bound=BaseModel)

PREFIX = "/api/v1"
PATHS: Mapping[SearchType, str] = {
    "conjunction": "conjunctions",
    "ephemeris": "ephemeris",
    "data_product": "data_products",
}
"""How the surface calls each type of search in an address."""
SEARCH_TYPES: Mapping[str, SearchType] = {path: search_type for search_type, path in PATHS.items()}

_STATUSES = {401: 401, 403: 401, 404: 404, 410: 404, 500: 500, 503: 503}
"""The client shows these; others of ours it takes for success or trips over, so they are 400."""
_CONFLICTS = {"source_exists": "Duplicate", "source_in_use": "Conflict"}
"""The two that the client tells apart by 409; everywhere else it takes 409 for success."""
_CODES = {400: "AssertionError", 401: "NotAuthenticated", 404: "NotFound", 500: "ApplicationError", 503: "Unavailable"}
_DEEPEST = 32


def request_path(search_type: SearchType, query_id: str) -> str:
    """Return the path of a search's status."""
    return f"{PREFIX}/{PATHS[search_type]}/requests/{query_id}"


def data_path(search_type: SearchType, query_id: str) -> str:
    """Return the path of a search's rows."""
    return f"{request_path(search_type, query_id)}/data"


def error_response(code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a problem in the form that the client reads; the media type must be exactly this one."""
    kind = PROBLEMS[code]
    status = 409 if code in _CONFLICTS else _STATUSES.get(kind.status, 400)
    name = _CONFLICTS.get(code) or ("NotPermitted" if kind.status == 403 else _CODES[status])
    error = SurfaceError(
        error_code=name,
        error_message=f"{kind.title}: {detail}" if detail else kind.title,
    )
    return JSONResponse(error.model_dump(), status_code=status, headers=dict(headers or {}))


async def read_json(request: Request) -> Any:
    """Return the body's JSON.

    Raises:
        Refused: bad_request, it is not JSON in UTF-8, too deep, or holds what JSON does not have.
    """
    try:
        text = (await request.body()).decode()
        value = json.loads(text, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no lone surrogate, nor 1e999
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else "JSON in UTF-8 without NaN is needed"
        raise Refused("bad_request", f"the body cannot be read: {reason}") from None
    if _deeper_than(value, _DEEPEST):
        raise Refused("bad_request", f"the body is nested deeper than {_DEEPEST} levels")
    return value


def read_query(search_type: SearchType, value: Any) -> SearchQuery:
    """Return the query that a body or a stored text stands for.

    Raises:
        Refused: invalid_parameter, with the places.
    """
    if not isinstance(value, dict):
        raise Refused("invalid_parameter", "the query must be a JSON object")
    if len(json.dumps(value)) > MAX_QUERY_CHARACTERS:
        raise Refused("invalid_parameter", f"a query may have {MAX_QUERY_CHARACTERS} characters")
    return read_model(QUERIES[search_type], value)


def read_model(model: type[M], value: Any) -> M:
    """Return the model that decoded JSON stands for.

    Raises:
        Refused: invalid_parameter, with the places.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Refused("invalid_parameter", places_of(error)) from None


def places_of(error: ValidationError) -> str:
    """Return what is wrong and where, without the values: they are the client's, megabytes among them."""
    parts = []
    for item in error.errors(include_input=False, include_context=False, include_url=False)[:5]:
        where = ".".join(str(part)[:50] for part in item["loc"])
        what = item["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {what}" if where else what)
    return "; ".join(parts)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _deeper_than(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        ]
        if not level:
            return False
    return True
