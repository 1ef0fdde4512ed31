"""The door for image queries of the Groundlight client: raw bytes that it always calls JPEG."""

import base64
import binascii
import json
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Header, Request
from fastapi import Query as Parameter

from contracts.http.groundlight import ImageQuery
from contracts.http.queries import Query
from services.kit.disconnect import while_connected
from services.kit.errors import Refused, Unavailable
from services.kit.groundlight import PREFIX, to_image_query
from services.kit.http import PlatformDep, Writer
from services.kit.platform import Platform
from services.kit.store.records import DetectorRecord
from services.kit.view import pending_query, to_query
from services.kit.waiter import wanted_for
from services.submitter.routes import get_submissions
from services.submitter.submission import Accepted, Question, Submissions
from services.submitter.upload import read_upload

log = structlog.get_logger(__name__)

ROUTER = APIRouter(prefix=PREFIX, include_in_schema=False)

_LONGEST_PATIENCE_S = 3600
_UNUSABLE = frozenset({"image_empty", "image_format", "image_truncated", "image_corrupt"})


@ROUTER.post("/image-queries", status_code=201)
async def submit_image_query(
    *,
    request: Request,
    caller: Writer,
    platform: PlatformDep,
    submissions: Annotated[Submissions, Depends(get_submissions)],
    detector_id: Annotated[str, Parameter(min_length=1, max_length=200)],
    patience_time: Annotated[float | None, Parameter(ge=0, le=_LONGEST_PATIENCE_S, allow_inf_nan=False)] = None,
    confidence_threshold: Annotated[float | None, Parameter(ge=0, le=1, allow_inf_nan=False)] = None,
    human_review: Literal["DEFAULT", "ALWAYS", "NEVER"] = "DEFAULT",
    want_async: str = "false",
    metadata: str | None = None,
    image_query_id: str | None = None,
    x_request_id: Annotated[str | None, Header()] = None,
) -> ImageQuery:
    """Accept a question; a synchronous one is answered with its result when that comes soon enough.

    The request's ID is the idempotency key: the client keeps it when it repeats a call.
    """
    del human_review  # checked only: who reviews sees every open query
    metadata_json = None if metadata is None else decode_metadata(metadata)
    question = Question(
        tenant=caller.tenant,
        detector=detector_id,
        image=(await read_upload(request)).data,
        confidence_threshold=confidence_threshold,
        patience_s=patience_time,
        metadata_json=metadata_json if image_query_id is None else _from_edge(metadata_json),
        key=x_request_id,
        query_id=image_query_id,
    )
    accepted = await _submit(submissions, question)
    detector = await platform.catalog.detector(caller.tenant, accepted.request.detector_id)
    if detector is None:
        raise Refused("detector_not_found")
    if want_async.casefold() == "true":
        return to_image_query(pending_query(accepted.claim), detector, with_result=False)
    query = await while_connected(request, _answered(platform, accepted, detector))
    return to_image_query(query or pending_query(accepted.claim), detector)


def decode_metadata(text: str) -> str:
    """Return the JSON in URL-safe base64.

    Raises:
        Refused: metadata_invalid.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused("metadata_invalid", "metadata must be URL-safe base64 of JSON in UTF-8") from None


async def _submit(submissions: Submissions, question: Question) -> Accepted:
    try:
        return await submissions.submit(question)
    except Refused as error:
        raise _unusable(error.detail) if error.code in _UNUSABLE else error from None


async def _answered(platform: Platform, accepted: Accepted, detector: DetectorRecord) -> Query:
    """Return the query as it is when a model has answered, or as it is after `ask_wait_s`.

    Nothing is waited for when there is no model: a person takes longer than any client waits.

    Raises:
        Refused: upload_unusable, the worker found that the image cannot be decoded.
    """
    by_machine = detector.model_id is not None or detector.constant is not None
    wait_s = platform.settings.ask_wait_s if by_machine else 0.0
    try:
        document = await platform.waiter.wait(accepted.key, wanted_for("answer"), wait_s)
    except Unavailable as error:
        log.warning("submitter.not_waited", query_id=accepted.claim.id, error=str(error))
        document = accepted.document
    if document is None or document.erased_at is not None:
        return pending_query(accepted.claim)
    if document.error is not None and document.error.reason in _UNUSABLE:
        raise _unusable(document.error.detail)
    return to_query(document)


def _unusable(detail: str) -> Refused:
    return Refused("upload_unusable", f"uploaded image is empty or corrupted: {detail}")


def _from_edge(metadata_json: str | None) -> str:
    """Return the metadata with the mark of a query whose ID was made outside."""
    try:
        value = json.loads(metadata_json) if metadata_json is not None else {}
    except ValueError:
        raise Refused("metadata_invalid", "metadata: it is not JSON") from None
    if not isinstance(value, dict):
        raise Refused("metadata_invalid", "metadata must be a JSON object")
    return json.dumps(value | {"is_from_edge": True}, ensure_ascii=False)
