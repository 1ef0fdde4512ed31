"""Examples of the OpenAPI page, made of the resources themselves so that they cannot drift."""

from datetime import UTC, datetime
from typing import Any

from contracts.http.base import Resource
from contracts.http.dead_letters import DeadLetter, DeadLetterDetail, LetterImage
from contracts.http.detectors import Detector
from contracts.http.models import Manifest, ManifestInput, ManifestOutput, Model
from contracts.http.queries import Answer, ImageInfo, ModelRef, Query, Transition
from contracts.http.searches import SearchPlaces
from contracts.http.tokens import Token, TokenCreated
from contracts.v1.image_query import Score, Timings

_AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_ANSWERED_AT = datetime(2026, 11, 20, 10, 0, 0, 41000, tzinfo=UTC)
QUERY_ID = "iq_05rtQm7bMqZk3dXe9Wf2LhVnTya"
ETAG = f'"{QUERY_ID}-2"'
DETECTOR_ID = "det_05rtPx1aBcDeFgHiJkLmNoPqRst"
LETTER_ID = "dead_4f1b2b0b822cd15d6c15b0f00a0"
MODEL_ID = "mdl_05rtPv8UyTzXwVuTsRqPoNmLkJi"
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_ANSWER = Answer(
    id="ans_05rtQm7bMqZk3dXe9Wf2LhVnTyb",
    source="model",
    label="YES",
    confidence=0.97,
    scores=(Score(label="NO", score=0.03), Score(label="YES", score=0.97)),
    model=ModelRef(name="door", digest=_DIGEST),
    answered_at=_ANSWERED_AT,
    timings=Timings(queue_s=0.012, decode_s=0.006, preprocess_s=0.002, inference_s=0.004, batch_size=3),
)
_QUERY = Query(
    id=QUERY_ID,
    state="answered",
    revision=2,
    label="YES",
    confidence=0.97,
    confident=True,
    answer=_ANSWER,
    answers=(_ANSWER,),
    detector_id=DETECTOR_ID,
    confidence_threshold=0.9,
    patience_s=30.0,
    metadata={"camera": "gate-3"},
    image=ImageInfo(
        sha256="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        size_bytes=48213,
        media_type="image/jpeg",
        url=f"/v1/queries/{QUERY_ID}/image",
    ),
    history=(
        Transition(state="submitted", at=_AT, revision=1),
        Transition(state="answered", at=_ANSWERED_AT, revision=2),
    ),
    attempts=1,
    created_at=_AT,
    updated_at=_ANSWERED_AT,
    answered_in_ms=41.0,
)
_PENDING = Query(id=QUERY_ID, state="submitted", revision=1, detector_id=DETECTOR_ID, created_at=_AT, updated_at=_AT)
_CANCELLED = _PENDING.model_copy(update={"state": "cancelled", "revision": 2, "updated_at": _ANSWERED_AT})
_LABEL = Answer(
    id="lbl_05rtQm7bMqZk3dXe9Wf2LhVnTyc",
    source="person",
    label="YES",
    confidence=1.0,
    answered_by="kim",
    answered_at=_ANSWERED_AT,
)
_LABELLED = _PENDING.model_copy(
    update={
        "revision": 2,
        "label": "YES",
        "confidence": 1.0,
        "confident": True,
        "answer": _LABEL,
        "answers": (_LABEL,),
        "updated_at": _ANSWERED_AT,
        "answered_in_ms": 41.0,
    }
)
_DETECTOR = Detector(
    id=DETECTOR_ID,
    name="door",
    query="Is the door open?",
    model="door",
    model_id=MODEL_ID,
    revision=1,
    created_at=_AT,
    updated_at=_AT,
)
_MODEL = Model(
    id=MODEL_ID,
    name="door",
    digest=_DIGEST,
    size_bytes=214_000,
    manifest=Manifest(
        input=ManifestInput(width=64, height=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        output=ManifestOutput(labels=("NO", "YES")),
    ),
    status="ready",
    revision=2,
    created_at=_AT,
    updated_at=_AT,
)
_TOKEN = Token(key_id="api_3Kq9VtZw1XyB7nRd", name="gate-3", scopes=("queries:write",), created_at=_AT)
_TOKEN_CREATED = TokenCreated(
    **dict(_TOKEN),
    token="api_3Kq9VtZw1XyB7nRd" + "." * 24,
)
_LETTER = DeadLetter(
    id=LETTER_ID,
    tenant="default",
    query_id=QUERY_ID,
    queue="inference.image_queries",
    reason="attempts_exhausted",
    detail="image_missing: the image is not in the store (attempt 5)",
    attempts=5,
    routing_key="image_query.submitted.v1.default",
    content_type="application/msgpack",
    size_bytes=412,
    died_at=_ANSWERED_AT,
)
_LETTER_DETAIL = DeadLetterDetail(
    **dict(_LETTER),
    headers={"cloudEvents_type": "image_query.submitted", "cloudEvents_tenant": "default"},
    payload={"query_id": QUERY_ID, "detector_id": DETECTOR_ID},
    image=LetterImage(
        media_type="image/jpeg",
        size_bytes=48213,
        sha256="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        inline=False,
        url=f"/v1/dead-letters/{LETTER_ID}/image",
    ),
)


def _content(*named: tuple[str, Resource]) -> dict[str, Any]:
    examples = {name: {"value": resource.model_dump(mode="json")} for name, resource in named}
    return {"content": {"application/json": {"examples": examples}}}


def _page(resource: Resource) -> dict[str, Any]:
    value = {"items": [resource.model_dump(mode="json")], "next_cursor": None}
    return {"content": {"application/json": {"example": value}}}


QUERY: dict[str, Any] = _content(("answered", _QUERY), ("pending", _PENDING))
QUERIES: dict[str, Any] = _page(_QUERY)
PLACES: dict[str, Any] = _content(
    ("a site and a spacecraft", SearchPlaces(places=(((56.376723, -94.643664), (57.02, -93.1)),)))
)
CANCELLED: dict[str, Any] = _content(("cancelled", _CANCELLED))
LABELLED: dict[str, Any] = _content(("labelled", _LABELLED))
DETECTOR: dict[str, Any] = _content(("door", _DETECTOR))
DETECTORS: dict[str, Any] = _page(_DETECTOR)
MODEL: dict[str, Any] = _content(("door", _MODEL))
MODELS: dict[str, Any] = _page(_MODEL)
LETTER: dict[str, Any] = _content(("letter", _LETTER))
LETTER_DETAIL: dict[str, Any] = _content(("letter", _LETTER_DETAIL))
LETTERS: dict[str, Any] = _page(_LETTER)
TOKENS: dict[str, Any] = _page(_TOKEN)
TOKEN_CREATED: dict[str, Any] = _content(("created", _TOKEN_CREATED))
