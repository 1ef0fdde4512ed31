"""Objects from detection-shaped outputs: candidates with a box and a score per label, of which many see one object."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.http.models import Manifest
from contracts.v1.image_query import Box
from services.inference.readings import ROUNDING, Sightings, Unreadable, not_finite, out_of_range

_MOST_CANDIDATES = 1000
"""Candidates of one image and label that are compared with each other, surest first."""
_MOST_OBJECTS = 100
_SIDES = 4

Numbers = NDArray[np.float64]


def detect(outputs: NDArray[np.floating], manifest: Manifest) -> Sequence[Sightings | Unreadable]:
    """Read (N, candidates, 4 + labels) outputs, or (N, 4 + labels, candidates) as the manifest says.

    Per label, of candidates that overlap by more than `iou_threshold` only the surest is an object (greedy
    non-maximum suppression), if its score reaches `score_threshold`.
    """
    if manifest.output.candidates == "last":
        outputs = outputs.transpose(0, 2, 1)
    return [_detect_one(rows, manifest) for rows in outputs.astype(np.float64)]


def _detect_one(rows: Numbers, manifest: Manifest) -> Sightings | Unreadable:
    wanted = manifest.output
    if not np.isfinite(rows).all():
        return not_finite()
    boxes, scores = _sides(rows[:, :_SIDES], manifest), rows[:, _SIDES:]
    if wanted.activation == "sigmoid":
        scores = 1.0 / (1.0 + np.exp(-np.clip(scores, -500, 500)))
    elif scores.size and (scores.min() < -ROUNDING or scores.max() > 1 + ROUNDING):
        return out_of_range(scores.min(), scores.max(), "sigmoid")
    scores = np.clip(scores, 0.0, 1.0)
    found: list[Box] = []
    missed: dict[str, float] = {}
    for column, label in enumerate(wanted.labels):
        chosen = suppress(boxes, scores[:, column], wanted.iou_threshold)
        for index in chosen:
            score = float(scores[index, column])
            if score < wanted.score_threshold:
                missed[label] = score
                break
            found.append(_to_box(label, score, boxes[index]))
    found.sort(key=lambda box: -box.score)
    return Sightings(tuple(found[:_MOST_OBJECTS]), missed)


def _sides(coordinates: Numbers, manifest: Manifest) -> Numbers:
    """Return left, top, right, bottom in fractions of the model's input, ordered and within it."""
    boxes = coordinates.copy()
    if manifest.output.units == "pixels":
        boxes /= (manifest.input.width, manifest.input.height) * 2
    if manifest.output.boxes == "centre":
        centre, half = boxes[:, :2].copy(), boxes[:, 2:] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
    boxes = np.clip(boxes, 0.0, 1.0)
    return np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)


def suppress(boxes: Numbers, scores: Numbers, iou_threshold: float) -> list[int]:
    """Return the candidates that overlap with no surer one by more than the threshold, surest first."""
    waiting = np.argsort(-scores, kind="stable")[:_MOST_CANDIDATES]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    chosen: list[int] = []
    while waiting.size:
        best, rest = int(waiting[0]), waiting[1:]
        chosen.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.clip(high - low, 0.0, None), axis=1)
        union = areas[best] + areas[rest] - shared
        overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        waiting = rest[overlap <= iou_threshold]
    return chosen


def _to_box(label: str, score: float, sides: Numbers) -> Box:
    left, top, right, bottom = (float(side) for side in sides)
    return Box(label=label, score=score, left=left, top=top, right=right, bottom=bottom)
