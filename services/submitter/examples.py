"""What the OpenAPI page shows of the write door; made of the resources themselves, so that it cannot drift."""

from datetime import UTC, datetime
from typing import Any

from contracts.http.queries import Answer, ImageInfo, ModelRef, Query, Transition
from contracts.v1.image_query import Score, Timings

_AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_ANSWERED_AT = datetime(2026, 11, 20, 10, 0, 0, 41000, tzinfo=UTC)
_ID = "iq_05rtQm7bMqZk3dXe9Wf2LhVnTya"
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_PENDING = Query(
    id=_ID,
    state="submitted",
    revision=0,
    detector_id="det_05rtPx1aBcDeFgHiJkLmNoPqRst",
    confidence_threshold=0.9,
    patience_s=30.0,
    metadata={"camera": "gate-3"},
    image=ImageInfo(
        sha256="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        size_bytes=48213,
        media_type="image/jpeg",
        url=f"/v1/queries/{_ID}/image",
    ),
    created_at=_AT,
    updated_at=_AT,
)
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
_ANSWERED = _PENDING.model_copy(
    update={
        "state": "answered",
        "revision": 2,
        "label": "YES",
        "confidence": 0.97,
        "confident": True,
        "answer": _ANSWER,
        "answers": (_ANSWER,),
        "history": (
            Transition(state="submitted", at=_AT, revision=1),
            Transition(state="answered", at=_ANSWERED_AT, revision=2),
        ),
        "attempts": 1,
        "updated_at": _ANSWERED_AT,
        "answered_in_ms": 41.0,
    }
)
_LOCATION = {
    "description": "Where to look the query up.",
    "schema": {"type": "string"},
    "example": f"/v1/queries/{_ID}",
}


def _content(name: str, query: Query) -> dict[str, Any]:
    return {"application/json": {"examples": {name: {"value": query.model_dump(mode="json")}}}}


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Query,
        "description": "The wait was long enough: the query with its answer.",
        "content": _content("answered", _ANSWERED),
        "headers": {
            "Location": _LOCATION,
            "Preference-Applied": {
                "description": "The part of `Prefer` that was met, when the wait was asked for with it.",
                "schema": {"type": "string"},
                "example": "wait=10",
            },
        },
    },
    202: {
        "description": "Accepted and durable. Look the answer up under `Location`.",
        "content": _content("pending", _PENDING),
        "headers": {"Location": _LOCATION},
    },
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The image itself, or a form with exactly one file part named `image`.",
        "content": {
            "image/jpeg": _BINARY,
            "image/png": _BINARY,
            "image/webp": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": _BINARY["schema"]},
                    "additionalProperties": False,
                },
                "example": {"image": "(the bytes of gate-3.jpg)"},
            },
        },
    }
}
