"""Routes that add facts to queries: cancel, label, erase. Each answers with what the fold made of it."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Response

from contracts.http.queries import LabelRequest, Query
from contracts.ids import LABEL, new_id
from contracts.v1.label import LabelAdded
from contracts.v1.query import QueryCancelled, QueryErased
from services.gateway import examples, labels
from services.gateway.bodies import needs_json
from services.gateway.facts import add_fact
from services.gateway.labels import detector_of, understand
from services.gateway.lookup import Found, look_up
from services.gateway.routes_queries import QueryIdPath
from services.kit.errors import Refused
from services.kit.http import Labeller, PlatformDep, Writer, problems

router = APIRouter(tags=["queries"])

_COMMON = ("query_not_found", "query_erased", "not_authenticated", "not_allowed", "unavailable")


@router.post(
    "/v1/queries/{query_id}/cancel",
    summary="Cancel a query",
    responses={
        200: {"description": "It is cancelled, now or before.", **examples.CANCELLED},
        202: {"model": Query, "description": "Accepted; the query is not stored yet, look it up later."},
        **problems(*_COMMON, "query_ended"),
    },
)
async def cancel_query(query_id: QueryIdPath, caller: Writer, platform: PlatformDep, response: Response) -> Query:
    """Stop the machine's work on a query that has not ended. A person may still label it."""
    found = await look_up(platform, caller.tenant, query_id)
    if found.document is None or not found.document.ended:
        cancelled = QueryCancelled(query_id=query_id, cancelled_at=platform.clock.now(), cancelled_by=caller.key_id)
        found = await add_fact(platform, found, cancelled, lambda document: document.ended)
    document = found.document
    if document is None or not document.ended:
        response.status_code = 202
        return found.query
    _refuse_erased(found)
    if document.state != "cancelled":
        raise Refused("query_ended", f"its state is {document.state}")
    return found.query


@router.post(
    "/v1/queries/{query_id}/labels",
    summary="Answer a query as a person",
    status_code=201,
    responses={
        201: {"description": "The label is the query's answer.", **examples.LABELLED},
        202: {"model": Query, "description": "Accepted; the label is not stored yet, look the query up later."},
        **problems(*_COMMON, "label_invalid", "invalid_parameter", "media_type", "body_too_large"),
    },
    dependencies=[Depends(needs_json)],
)
async def add_label(
    query_id: QueryIdPath,
    wanted: Annotated[LabelRequest, Body(examples=[{"label": "YES", "labelled_by": "kim"}])],
    caller: Labeller,
    platform: PlatformDep,
    response: Response,
) -> Query:
    """Give a person's answer; it outranks a model's, is confident, and is taken in every state of the query.

    The label is one of the detector's, in any case, a number for one that counts, the text for one that reads, or
    `UNCLEAR`. Who waits for the query is woken.
    """
    found = await look_up(platform, caller.tenant, query_id)
    said = understand(await detector_of(platform, found), wanted.label)
    now = platform.clock.now()
    added = LabelAdded(
        query_id=query_id,
        label_id=new_id(LABEL, now),
        label=said.label,
        text=said.text,
        boxes=wanted.boxes,
        confidence=wanted.confidence,
        labelled_by=wanted.labelled_by or caller.key_id,
        labelled_at=now,
    )
    found = await labels.add_label(platform, found, added)
    if not labels.has_label(found, added.label_id):
        response.status_code = 202
    return found.query


@router.delete(
    "/v1/queries/{query_id}",
    summary="Erase a query and its image",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "Record and image are gone; the ID answers 410 from now on."},
        202: {"description": "Accepted; it is not erased yet."},
        **problems(*_COMMON),
    },
)
async def erase_query(query_id: QueryIdPath, caller: Writer, platform: PlatformDep) -> Response:
    """Remove everything that is known of a query, for good. Unfinished work on it comes to nothing."""
    found = await look_up(platform, caller.tenant, query_id)
    erased = QueryErased(query_id=query_id, erased_at=platform.clock.now(), erased_by=caller.key_id)
    found = await add_fact(platform, found, erased, lambda document: document.erased_at is not None)
    gone = found.document is not None and found.document.erased_at is not None
    return Response(status_code=204 if gone else 202)


def _refuse_erased(found: Found) -> None:
    if found.document is not None and found.document.erased_at is not None:
        raise Refused("query_erased")
