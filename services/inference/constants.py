"""Pipelines that give every image the same answer: for tests of client programs, and their answers say so."""

import hashlib
from datetime import datetime

from contracts.events import Event
from contracts.http.queries import NO_OBJECTS, TEXT
from contracts.v1.image_query import ImageAnswer, ImageQuerySubmitted
from services.inference import facts
from services.kit.store.records import DetectorRecord

_CONSTANT_TEXT = "constant text"
_CONSTANT_COUNT = "1"


def constant_answer(
    event: Event[ImageQuerySubmitted], detector: DetectorRecord, pipeline: str, *, attempt: int, at: datetime
) -> ImageAnswer:
    """Return the answer of a constant pipeline: the last label, one object, no box, or a fixed text; quite sure."""
    query, digest = event.payload, hashlib.sha256(pipeline.encode()).hexdigest()
    labels = {"count": _CONSTANT_COUNT, "bounding_box": NO_OBJECTS, "text": TEXT}
    return ImageAnswer(
        query_id=query.query_id,
        answer_id=facts.answer_id(query.query_id, digest, query.replay),
        label=labels[detector.mode] if detector.mode in labels else detector.labels[-1],
        confidence=1.0,
        text=_CONSTANT_TEXT if detector.mode == "text" else None,
        model_name=f"{pipeline} (constant, for tests)",
        model_digest=digest,
        answered_at=at,
        submitted_at=query.submitted_at,
        replay=query.replay,
        attempt=attempt,
        expires_at=query.expires_at,
    )
