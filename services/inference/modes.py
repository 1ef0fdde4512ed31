"""From what a model saw to what the detector was asked: labels, counts, boxes, text."""

import numpy as np

from contracts.http.models import ManifestInput
from contracts.http.queries import BOUNDING_BOX, GREATER_THAN_MAX, NO_OBJECTS, TEXT
from contracts.v1.image_query import Box
from services.inference.readings import Read, Reading, Sightings, Transcript, Unreadable
from services.kit.store.records import DetectorRecord

_OF_OBJECTS = frozenset({"count", "bounding_box"})


def conclude(
    read: Read, detector: DetectorRecord, wanted: ManifestInput, size: tuple[int, int]
) -> Reading | Unreadable:
    """Return the answer to the detector's question about an image of `size`, width and height in pixels."""
    if isinstance(read, Sightings) and detector.mode in _OF_OBJECTS:
        return _of_objects(read, detector, wanted, size)
    if isinstance(read, Transcript) and detector.mode == "text":
        most = detector.max_characters or len(read.text)
        return Reading(TEXT, read.confidence, text=read.text[:most], text_cut=len(read.text) > most)
    if isinstance(read, Reading) and detector.mode in {"binary", "multiclass"}:
        return read
    if isinstance(read, Unreadable):
        return read
    return Unreadable("labels_mismatch", f"the model does not answer a {detector.mode} detector")


def _of_objects(
    read: Sightings, detector: DetectorRecord, wanted: ManifestInput, size: tuple[int, int]
) -> Reading | Unreadable:
    """Count or box the objects of the detector's class, the surest if there are too many.

    As sure as the least sure object, and the less so the closer another one came to being taken for one.
    """
    name = (detector.class_name or "").casefold()
    objects = [box for box in read.boxes if box.label.casefold() == name]
    missed = max((score for label, score in read.missed.items() if label.casefold() == name), default=0.0)
    confidence = min((box.score for box in objects), default=1.0) * (1.0 - missed)
    most = detector.max_objects or len(objects)
    boxes = tuple(_in_picture(box, wanted, size) for box in objects[:most])
    if len(objects) > most:
        return Reading(GREATER_THAN_MAX, confidence, boxes=boxes)
    if detector.mode == "count":
        return Reading(str(len(objects)), confidence, boxes=boxes)
    return Reading(BOUNDING_BOX if objects else NO_OBJECTS, confidence, boxes=boxes)


def _in_picture(box: Box, wanted: ManifestInput, size: tuple[int, int]) -> Box:
    """Return the box in fractions of the picture instead of the model's input, which may show bars or a part."""
    if wanted.resize == "stretch":
        return box
    inputs, picture = np.array([wanted.width, wanted.height], float), np.array(size, float)
    scales = inputs / picture
    shown = picture * (scales.min() if wanted.resize == "letterbox" else scales.max())
    margin = (inputs - shown) / 2
    corners = np.array([[box.left, box.top], [box.right, box.bottom]]) * inputs
    (left, top), (right, bottom) = np.clip((corners - margin) / shown, 0.0, 1.0).tolist()
    return Box(label=box.label, score=box.score, left=left, top=top, right=right, bottom=bottom)
