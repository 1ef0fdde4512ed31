"""A query document as its readers see it; both doors answer with it."""

import json

from contracts.http.queries import (
    UNCLEAR,
    Answer,
    ImageInfo,
    ModelRef,
    Query,
    QueryError,
    SearchInfo,
    Transition,
)
from contracts.kinds import kind_of
from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.aurorax import data_path
from services.kit.store.documents import AnswerRecord, QueryDocument
from services.kit.store.records import Claim


def to_query(document: QueryDocument) -> Query:
    """Return the resource of a document."""
    request, answer = document.image_request, document.answer
    first = min((a.at for a in document.answers), default=None)
    return Query(
        id=document.id,
        kind=document.kind,
        state=document.state,
        revision=document.revision,
        label=answer.label if answer else UNCLEAR,
        confidence=answer.confidence if answer else None,
        confident=document.confident,
        answer=_to_answer(answer) if answer else None,
        answers=tuple(_to_answer(item) for item in document.answers),
        error=QueryError(reason=document.error.reason, detail=document.error.detail) if document.error else None,
        held=document.held,
        detector_id=request.detector_id if request else None,
        confidence_threshold=request.confidence_threshold if request else None,
        patience_s=request.patience_s if request else None,
        metadata=json.loads(request.metadata_json) if request and request.metadata_json is not None else None,
        image=_to_image(document.id, request) if request else None,
        search=_to_search(document),
        history=tuple(Transition(state=t.state, at=t.at, revision=t.revision) for t in document.history),
        attempts=document.attempts,
        created_at=document.created_at,
        updated_at=document.updated_at,
        expires_at=document.request.expires_at if document.request else None,
        answered_in_ms=round((first - document.created_at).total_seconds() * 1000, 3) if first else None,
    )


def pending_query(claim: Claim) -> Query:
    """Return the resource of a query that is claimed, but whose document is not written yet: revision 0."""
    return to_query(pending_document(claim))


def pending_document(claim: Claim) -> QueryDocument:
    """Return the document that there will be, as far as the claim tells."""
    kind = kind_of(claim.id)
    return QueryDocument(
        id=claim.id,
        tenant=claim.tenant,
        kind=kind.name if kind is not None else "image_query",
        revision=0,
        request=claim.request,
        created_at=claim.created_at,
        updated_at=claim.created_at,
    )


def etag_of(query: Query) -> str:
    """Return the entity tag: the revision counts every change."""
    return f'"{query.id}-{query.revision}"'


def _to_answer(record: AnswerRecord) -> Answer:
    model = None
    if record.model_name is not None and record.model_digest is not None:
        model = ModelRef(name=record.model_name, digest=record.model_digest)
    return Answer(
        id=record.id,
        source=record.source,
        label=record.label,
        confidence=record.confidence,
        scores=record.scores,
        boxes=record.boxes,
        text=record.text,
        text_cut=record.text_cut,
        model=model,
        answered_by=record.by,
        answered_at=record.at,
        timings=record.timings,
    )


def _to_search(document: QueryDocument) -> SearchInfo | None:
    request, progress = document.search_request, document.search
    if request is None:
        return None
    whole = document.state == "answered" and progress is not None
    return SearchInfo(
        type=request.search_type,
        query=json.loads(request.query_json),
        parts=progress.parts if progress is not None else None,
        parts_done=len(progress.done) if progress is not None else 0,
        rows=progress.rows if progress is not None and whole else None,
        size_bytes=progress.size_bytes if progress is not None and whole else None,
        url=data_path(request.search_type, document.id),
    )


def _to_image(query_id: str, request: ImageQuerySubmitted) -> ImageInfo:
    image = request.image
    return ImageInfo(
        sha256=image.sha256,
        size_bytes=image.size_bytes,
        media_type=image.media_type,
        url=f"/v1/queries/{query_id}/image",
    )
