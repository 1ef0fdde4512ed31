"""Routes that read queries: look up and wait, list, image."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi import Query as Parameter
from pydantic import Field

from contracts.http.queries import Query, QueryPage
from contracts.v1.results import State
from services.gateway import examples
from services.gateway.conditional import FRESH, is_seen, not_modified
from services.gateway.control import ControlDep
from services.gateway.cursor import decode_cursor, encode_cursor
from services.gateway.images import IMAGE_CONTENT, image_response
from services.gateway.lookup import APPEAR_S, look_up
from services.gateway.paging import PageParameters, UtcTime
from services.kit.disconnect import GONE, while_connected
from services.kit.errors import Refused
from services.kit.http import PlatformDep, Reader, caller_of, platform_of, problems, resource
from services.kit.parameters import described, header, read
from services.kit.prefer import PREFER, Waiting
from services.kit.store.port import QueryFilter
from services.kit.view import etag_of, to_query
from services.kit.waiter import wanted_for

router = APIRouter(tags=["queries"])

QueryIdPath = Annotated[str, Path(description="The ID that the submission answered.", examples=[examples.QUERY_ID])]
_IF_NONE_MATCH = "Entity tag of what the reader has; answers 304 if unchanged."
IfNoneMatch = Annotated[
    str | None,
    Header(
        description=_IF_NONE_MATCH,
        examples=[examples.ETAG],
    ),
]

_POLL_S = "1"
"""Hint for readers that poll: most queries are answered well within it."""


class ListParameters(PageParameters):
    """Which queries to list; all of the filters must hold."""

    detector: Annotated[
        str | None, Field(max_length=200, description="A detector's ID or name.", examples=["door"])
    ] = None
    state: Annotated[State | None, Field(description="The state of the machine's work.", examples=["failed"])] = None
    label: Annotated[
        str | None, Field(max_length=200, description="The label of the answer that counts.", examples=["YES"])
    ] = None
    open_only: Annotated[
        bool,
        Field(
            alias="open", description="True: only those without any answer whose work has not ended.", examples=[True]
        ),
    ] = False
    created_from: Annotated[
        UtcTime | None, Field(description="Created at or after this RFC 3339 time.", examples=["2026-11-20T10:00:00Z"])
    ] = None
    created_until: Annotated[
        UtcTime | None, Field(description="Created before this RFC 3339 time.", examples=["2026-11-21T10:00:00Z"])
    ] = None


@router.get(
    "/v1/queries/{query_id}",
    summary="Look a query up by its ID, or wait for its answer",
    response_model=Query,
    responses={
        200: examples.QUERY,
        304: {"description": "The revision that `If-None-Match` names is still the latest."},
        **problems("query_not_found", "query_erased", "invalid_parameter", "not_authenticated", "not_allowed"),
        **problems("unavailable"),
    },
    openapi_extra=described(Waiting, PREFER, header("if-none-match", _IF_NONE_MATCH, examples.ETAG)),
)
async def get_query(query_id: QueryIdPath, request: Request) -> Response:
    """Answer with the query as it is now; with `wait` as soon as it is answered, else as it is when time is up.

    A pending query has the label `UNCLEAR` and no confidence. A lookup right after the submission never answers 404.
    `If-None-Match` is compared with what would be answered, after any waiting.
    """
    caller = await caller_of(request, "queries:read")
    waiting = read(Waiting, request.query_params)
    wait_s = waiting.seconds(request)
    look = look_up(platform_of(request), caller.tenant, query_id, wait_s, wanted_for(waiting.wait_for))
    found = await (while_connected(request, look) if wait_s > 0 else look)
    if found is None:
        return Response(status_code=GONE)
    query = found.query
    etag = etag_of(query)
    if is_seen(request.headers.get("if-none-match"), etag):
        return not_modified(etag)
    headers = {"ETag": etag, "Cache-Control": FRESH}
    if wait_s > 0 and waiting.wait is None:
        headers["Preference-Applied"] = f"wait={wait_s:.0f}"
    if query.answer is None and not query.ended:
        headers["Retry-After"] = _POLL_S
    return resource(query, headers=headers)


@router.get(
    "/v1/queries",
    summary="List queries, newest first",
    responses={
        200: examples.QUERIES,
        **problems("detector_not_found", "invalid_parameter", "not_authenticated", "not_allowed", "unavailable"),
    },
)
async def list_queries(
    parameters: Annotated[ListParameters, Parameter()],
    response: Response,
    caller: Reader,
    platform: PlatformDep,
    control: ControlDep,
) -> QueryPage:
    """Answer with a page of the queries that pass every filter; erased ones are never listed.

    A page may not hold what was submitted a moment ago: the ID finds it at once, the list once it is stored.
    """
    cursor = decode_cursor(parameters.cursor)
    detector_id = None
    if parameters.detector is not None:
        detector_id = (await control.detectors.find_any(caller.tenant, parameters.detector)).id
    wanted = QueryFilter(
        detector_id=detector_id,
        state=parameters.state,
        label=parameters.label,
        open_only=parameters.open_only,
        created_from=parameters.created_from,
        created_until=parameters.created_until,
    )
    page = await platform.store.queries.page(caller.tenant, wanted, cursor, parameters.limit)
    response.headers["Cache-Control"] = FRESH
    return QueryPage(items=tuple(to_query(document) for document in page.items), next_cursor=encode_cursor(page.next))


@router.get(
    "/v1/queries/{query_id}/image",
    summary="Get the image of a query",
    response_class=Response,
    responses={
        200: {
            "description": "The bytes as they were received.",
            "content": IMAGE_CONTENT,
        },
        304: {"description": "The image that `If-None-Match` names is still there."},
        **problems("query_not_found", "image_not_found", "query_erased", "not_authenticated", "not_allowed"),
        **problems("unavailable"),
    },
)
async def get_image(
    query_id: QueryIdPath, caller: Reader, platform: PlatformDep, if_none_match: IfNoneMatch = None
) -> Response:
    """Answer with the image exactly as it was submitted; its entity tag is its SHA-256.

    Images are removed with their query, or before it when the installation keeps them shorter.
    """
    found = await look_up(platform, caller.tenant, query_id, wait_s=APPEAR_S)
    asked = found.document.image_request if found.document is not None else None
    image = asked.image if asked is not None else None
    blob = await platform.store.images.get(caller.tenant, image.sha256) if image is not None else None
    if blob is None:
        raise Refused("image_not_found")
    etag = f'"{blob.sha256}"'
    if is_seen(if_none_match, etag):
        return not_modified(etag)
    return image_response(blob.data, blob.media_type, name=query_id, headers={"ETag": etag})
