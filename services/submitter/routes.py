"""The HTTP door for image queries."""

from typing import Annotated, Protocol, cast
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from pydantic import Field

from contracts.http.queries import Query
from services.kit.disconnect import while_connected
from services.kit.errors import Refused, Unavailable
from services.kit.http import caller_of, get_service, platform_of, problems, resource
from services.kit.parameters import described, header, read
from services.kit.platform import Platform
from services.kit.prefer import PREFER, Waiting
from services.kit.store.documents import QueryDocument
from services.kit.view import pending_query, to_query
from services.kit.waiter import WaitFor, summary_of, wanted_for
from services.submitter.examples import REQUEST, RESPONSES
from services.submitter.submission import Accepted, Question, Submissions, check_key
from services.submitter.upload import read_upload

NAME = "submitter"
ROUTER = APIRouter(tags=["queries"])

_LONGEST_S = 1e9
_DESCRIPTION = """
Accepts one image for a detector and answers 202 as soon as the query is durable; look the answer up under `Location`.

* **Waiting**: with `?wait=seconds` or `Prefer: wait=seconds` the answer comes with this response (200) when it is there
  in time, else 202 as without. `wait_for=confident` waits until the answer reaches the threshold or a person gave it.
* **Repeating**: send an `Idempotency-Key` of your own. After a timeout or a 503 it is not known whether the query was
  accepted; the same request with the same key gives the same ID. Another image or other parameters with a key that was
  used before are refused with `key_reused`.
* **Images**: JPEG, PNG or WebP, checked in structure before anything is stored. Bytes that are whole but cannot be
  decoded are found by the worker: the query then ends `failed`.
""".strip()
_PROBLEMS = problems(
    "bad_request",
    "key_invalid",
    "not_authenticated",
    "not_allowed",
    "detector_not_found",
    "detector_gone",
    "query_erased",
    "body_too_large",
    "media_type",
    "image_format",
    "image_type_mismatch",
    "invalid_parameter",
    "key_reused",
    "metadata_invalid",
    "image_empty",
    "image_truncated",
    "image_corrupt",
    "image_too_large",
    "unavailable",
)


class _Door(Protocol):
    submissions: Submissions


async def get_submissions(request: Request) -> Submissions:
    """Return the component that accepts questions; a dependency for the doors of this service."""
    return cast("_Door", get_service(request, NAME)).submissions


class _Asked(Waiting):
    """The parameters of a question."""

    detector: Annotated[
        str, Field(min_length=1, max_length=200, description="The detector's ID or name.", examples=["door"])
    ]
    confidence_threshold: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="An answer at or above it is confident. Default: the detector's.",
            examples=[0.9],
        ),
    ] = None
    patience_s: Annotated[
        float | None,
        Field(
            ge=0,
            le=_LONGEST_S,
            description="How long the client means to wait; stored and given back, it never ends the query.",
            examples=[30],
        ),
    ] = None
    expires_in_s: Annotated[
        float | None,
        Field(
            gt=0,
            le=_LONGEST_S,
            description="The query expires if no work on it began within this many seconds. Default: never.",
            examples=[600],
        ),
    ] = None
    metadata: Annotated[
        str | None,
        Field(
            description="JSON of yours, up to 4096 characters and 8 levels; it comes back with the query.",
            examples=['{"camera": "gate-3"}'],
        ),
    ] = None


_KEY = header(
    "Idempotency-Key",
    "1 to 255 visible ASCII characters; the same request with the same key gets the same ID.",
    "8f1c2a5e-gate-3-000017",
)


@ROUTER.post(
    "/v1/image-queries",
    status_code=202,
    response_model=Query,
    summary="Ask a detector about an image",
    description=_DESCRIPTION,
    responses={**RESPONSES, **_PROBLEMS},
    openapi_extra={**REQUEST, **described(_Asked, _KEY, PREFER)},
)
async def submit_image_query(request: Request) -> Response:
    caller = await caller_of(request, "queries:write")
    asked = read(_Asked, _given(request))
    wait_s = asked.seconds(request)
    key = request.headers.get("idempotency-key")
    if key is not None:
        check_key(key)
    upload = await read_upload(request)
    question = Question(
        tenant=caller.tenant,
        detector=asked.detector,
        image=upload.data,
        declared_type=upload.declared_type,
        confidence_threshold=asked.confidence_threshold,
        patience_s=asked.patience_s,
        expires_in_s=asked.expires_in_s,
        metadata_json=asked.metadata,
        key=key,
    )
    platform = platform_of(request)
    accepted = await (await get_submissions(request)).submit(question)
    headers = {"Location": _location(platform, accepted)}
    document = accepted.document
    if wait_s > 0:
        document = await while_connected(request, _wait(platform, accepted, asked.wait_for, wait_s))
    if document is None:
        return resource(pending_query(accepted.claim), 202, headers=headers)
    if wait_s > 0 and wanted_for(asked.wait_for)(summary_of(document)):
        if asked.wait is None:
            headers["Preference-Applied"] = f"wait={wait_s:g}"
        return resource(to_query(document), 200, headers=headers)
    return resource(to_query(document), 202, headers=headers)


async def _wait(platform: Platform, accepted: Accepted, wait_for: WaitFor, wait_s: float) -> QueryDocument | None:
    """Return the document that there is after waiting. The query is accepted: nothing here may turn that into a 503."""
    try:
        document = await platform.waiter.wait(accepted.key, wanted_for(wait_for), wait_s)
    except Unavailable:
        return accepted.document
    return None if document is None or document.erased_at is not None else document


def _location(platform: Platform, accepted: Accepted) -> str:
    origin = platform.settings.public_url
    return f"{str(origin).rstrip('/') if origin else ''}/v1/queries/{accepted.claim.id}"


def _given(request: Request) -> dict[str, str]:
    """Return the parameters in the address; refuse those that would not have the effect that the client means.

    One that is not UTF-8 would come back as something else, an unknown one is misspelt, of two equal ones one is lost.
    """
    try:
        pairs = parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise Refused("invalid_parameter", "the parameters in the address must be UTF-8, percent-encoded") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in _Asked.model_fields:
            known = ", ".join(_Asked.model_fields)
            raise Refused("invalid_parameter", f"{name[:100]}: there is no such parameter, but {known}")
        if name in given:
            raise Refused("invalid_parameter", f"{name}: give it once")
        given[name] = value
    return given
