"""Modes and their configurations: Groundlight's words for what a detector of ours is."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from contracts.http.base import Json
from contracts.http.detectors import DetectorCreate
from contracts.http.groundlight import Mode
from services.kit.errors import Refused
from services.kit.groundlight import MODES
from services.kit.store.records import DetectorRecord

_OURS = {theirs: ours for ours, (theirs, _) in MODES.items()}
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "BINARY": {},
    "MULTI_CLASS": {"class_names": "labels"},
    "COUNT": {"class_name": "class_name", "max_count": "max_objects"},
    "BOUNDING_BOX": {"class_name": "class_name", "max_num_bboxes": "max_objects"},
    "TEXT": {"value_max_length": "max_characters"},
}
"""The keys of a mode's configuration and the detector's fields."""


def mode_fields(mode: Mode, configuration: Mapping[str, Json]) -> dict[str, Any]:
    """Return the fields of a detector of ours that a mode and its configuration mean."""
    given = {ours: configuration.get(theirs) for theirs, ours in _FIELDS[mode].items()}
    return {"mode": _OURS[mode], **{name: value for name, value in given.items() if value is not None}}


def mode_configuration(record: DetectorRecord) -> Json:
    """Return the configuration as the client sees it."""
    fields = _FIELDS[MODES[record.mode][0]]
    if not fields:
        return None
    configuration = {theirs: getattr(record, ours) for theirs, ours in fields.items()}
    if record.mode == "multiclass":
        configuration["num_classes"] = len(record.labels)
    return configuration


def to_create(fields: Mapping[str, Any]) -> DetectorCreate:
    """Return the request for a new detector of ours.

    Raises:
        Refused: invalid_parameter, a mode's configuration is not right.
    """
    try:
        return DetectorCreate.model_validate(fields)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        detail = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in items)
        raise Refused("invalid_parameter", detail) from None


def parse_metadata(text: str | None) -> Json:
    """Return the JSON in URL-safe base64, None for none.

    Raises:
        Refused: metadata_invalid.
    """
    if not text:
        return None
    try:
        return json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise Refused("metadata_invalid", "metadata must be URL-safe base64 of JSON in UTF-8") from None
