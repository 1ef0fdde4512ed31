"""Queries as the Groundlight client reads them; both doors answer with this."""

from contracts.http.groundlight import (
    STILL_PROCESSING,
    CountResult,
    Geometry,
    ImageQuery,
    LabelResult,
    Mode,
    ResultType,
    Roi,
    TextResult,
)
from contracts.http.queries import GREATER_THAN_MAX, UNCLEAR, Query
from contracts.v1.image_query import Box
from services.kit.store.records import DetectorRecord

PREFIX = "/device-api/v1"
_MACHINE, _PERSON = "ALGORITHM", "USER"
_DEFAULT_PATIENCE_S = 30.0
MODES: dict[str, tuple[Mode, ResultType]] = {
    "binary": ("BINARY", "binary_classification"),
    "multiclass": ("MULTI_CLASS", "multi_classification"),
    "count": ("COUNT", "counting"),
    "bounding_box": ("BOUNDING_BOX", "bounding_box"),
    "text": ("TEXT", "text_recognition"),
}
"""Our modes, and what Groundlight calls them and their results."""


def to_image_query(query: Query, detector: DetectorRecord, *, with_result: bool = True) -> ImageQuery:
    """Return the resource; without an answer its result is a placeholder, or null if `with_result` is false."""
    boxes = query.answer.boxes if query.answer is not None else ()
    has_rois = query.answer is not None and (bool(boxes) or detector.mode in {"count", "bounding_box"})
    threshold, patience_s = query.confidence_threshold, query.patience_s
    return ImageQuery(
        metadata=query.metadata,
        id=query.id,
        created_at=query.created_at,
        query=detector.query,
        detector_id=detector.id,
        result_type=MODES[detector.mode][1],
        result=_result(query, detector) if with_result else None,
        patience_time=_DEFAULT_PATIENCE_S if patience_s is None else patience_s,
        confidence_threshold=detector.confidence_threshold if threshold is None else threshold,
        rois=to_rois(boxes) if has_rois and with_result else None,
        text=query.answer.text if query.answer is not None and with_result else None,
        done_processing=query.ended,
    )


def to_rois(boxes: tuple[Box, ...]) -> tuple[Roi, ...]:
    """Return boxes with the centre that the client wants to see."""
    return tuple(
        Roi(
            label=box.label,
            score=box.score,
            geometry=Geometry(
                left=box.left,
                top=box.top,
                right=box.right,
                bottom=box.bottom,
                x=(box.left + box.right) / 2,
                y=(box.top + box.bottom) / 2,
            ),
        )
        for box in boxes
    )


def _result(query: Query, detector: DetectorRecord) -> LabelResult | CountResult | TextResult:
    confidence, source = _confidence(query)
    result_type = MODES[detector.mode][1]
    if detector.mode == "count":
        most = detector.max_objects or 0
        count = None if query.label in {UNCLEAR, GREATER_THAN_MAX} else int(query.label)
        above = query.label == GREATER_THAN_MAX or (count is not None and count > most)
        return CountResult(
            confidence=confidence,
            source=source,
            result_type=result_type,
            count=most if query.label == GREATER_THAN_MAX else count,
            greater_than_max=above,
        )
    if detector.mode == "text":
        text, cut = (query.answer.text, query.answer.text_cut) if query.answer is not None else (None, False)
        return TextResult(confidence=confidence, source=source, result_type=result_type, text=text, truncated=cut)
    return LabelResult(confidence=confidence, source=source, result_type=result_type, label=query.label)


def _confidence(query: Query) -> tuple[float | None, str]:
    """Return confidence and source.

    A placeholder has no confidence: some number could reach a threshold. A person's word is certain: the client takes
    one without a number for no answer. What ended without an answer is UNCLEAR and not being worked on.
    """
    if query.answer is None:
        return (0.0, _MACHINE) if query.ended else (None, STILL_PROCESSING)
    return (1.0, _PERSON) if query.answer.source == "person" else (query.answer.confidence, _MACHINE)
