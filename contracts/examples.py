"""One example payload of every message: for the documents, and to check that each contract can be met."""

from datetime import UTC, datetime

from contracts.base import Payload
from contracts.v1 import control, dead_letter, image_query, label, query, results, search

_AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_QUERY = "iq_00EHX0Qc4Zl9nT2vWq8sYb3kLmD"
_SEARCH = "sr_00EHX2Lp8VzQx3RkTnYbWc5GhJd"
_SEARCHED = (
    '{"start": "2020-01-01T00:00:00", "end": "2020-01-31T23:59:59", "conjunction_types": ["nbtrace"],'
    ' "ground": [{"programs": ["themis-asi"]}], "space": [{"programs": ["swarm"]}],'
    ' "max_distances": {"ground1-space1": 500}}'
)
_PART = search.SearchPart(
    query_id=_SEARCH,
    search_type="conjunction",
    query_json=_SEARCHED,
    submitted_at=_AT,
    part=1,
    parts=5,
    stride=2,
    days=7,
    start=datetime(2020, 1, 1, tzinfo=UTC),
    end=datetime(2020, 1, 7, 23, 59, 59, tzinfo=UTC),
)
_DETECTOR = "det_00EHWyDdP6fGhJkLqWrTyUiOpAs"
_MODEL = "mdl_00EHWx9zXcVbNmQwErTyUiOpAsD"
_LABEL = "lbl_00EHX1aSdFgHjKlPoIuYtReWqZx"
_LETTER = "dead_4f1b2b0b822cd15d6c15b0f00a0"
_IMAGE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_DIGEST = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

EXAMPLES: tuple[Payload, ...] = (
    image_query.ImageQuerySubmitted(
        query_id=_QUERY,
        detector_id=_DETECTOR,
        image=image_query.Image(sha256=_IMAGE, size_bytes=28_114, media_type="image/jpeg"),
        submitted_at=_AT,
        confidence_threshold=0.9,
        patience_s=30.0,
        metadata_json='{"camera": "dock-3"}',
    ),
    image_query.ImageQueryAnswered(
        answers=(
            image_query.ImageAnswer(
                query_id=_QUERY,
                answer_id="ans_4f1b2b0b822cd15d6c15b0f00a0",
                label="YES",
                confidence=0.97,
                scores=(
                    image_query.Score(label="NO", score=0.03),
                    image_query.Score(label="YES", score=0.97),
                ),
                model_name="door",
                model_digest=_DIGEST,
                answered_at=_AT,
                submitted_at=_AT,
                image_width=640,
                image_height=480,
                timings=image_query.Timings(
                    queue_s=0.004, decode_s=0.003, preprocess_s=0.001, inference_s=0.008, batch_size=4
                ),
            ),
        )
    ),
    search.SearchSubmitted(query_id=_SEARCH, search_type="conjunction", query_json=_SEARCHED, submitted_at=_AT),
    _PART,
    search.SearchPartDone(query_id=_SEARCH, asked=_PART, rows=12, size_bytes=9_400, worked_s=0.4, done_at=_AT),
    search.SearchAssemble(
        query_id=_SEARCH, search_type="conjunction", query_json=_SEARCHED, submitted_at=_AT, parts=5, days=7
    ),
    search.SearchCompleted(query_id=_SEARCH, parts=5, rows=49, size_bytes=38_000, completed_at=_AT),
    query.QueryFailed(
        query_id=_QUERY,
        reason="image_corrupt",
        detail="the JPEG ends in the middle of its data",
        attempts=1,
        failed_at=_AT,
    ),
    query.QueryCancelled(query_id=_QUERY, cancelled_at=_AT, cancelled_by="api_0123456789abcdef"),
    query.QueryExpired(query_id=_QUERY, expired_at=_AT),
    query.QueryHeld(query_id=_QUERY, reason="no_model", held_at=_AT),
    query.QueryErased(query_id=_QUERY, erased_at=_AT, erased_by="api_0123456789abcdef"),
    label.LabelAdded(query_id=_QUERY, label_id=_LABEL, label="NO", labelled_by="line 4", labelled_at=_AT),
    results.ResultsStored(
        results=(results.StoredResult(query_id=_QUERY, revision=2, state="answered", has_answer=True, confident=True),)
    ),
    control.DetectorChanged(detector_id=_DETECTOR, revision=2),
    control.ModelSubmitted(model_id=_MODEL, digest=_DIGEST, submitted_at=_AT),
    control.ModelChecked(model_id=_MODEL, digest=_DIGEST, accepted=True, checked_at=_AT),
    control.ModelChanged(model_id=_MODEL, revision=2),
    dead_letter.DeadLetterRequeued(letter_id=_LETTER, requeued_at=_AT, requeued_by="api_0123456789abcdef"),
    dead_letter.DeadLetterDropped(letter_id=_LETTER, dropped_at=_AT, dropped_by="api_0123456789abcdef"),
)
