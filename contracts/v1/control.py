"""Facts of the control plane: detectors and models."""

from typing import Annotated

from pydantic import Field

from contracts.base import Code, DetectorId, ModelId, Payload, Sha256, Text, Timestamp


class DetectorChanged(Payload):
    """A detector was created, changed or deleted; readers drop what they remember of it."""

    detector_id: DetectorId
    revision: Annotated[int, Field(ge=1)]


class ModelSubmitted(Payload):
    """A model file was uploaded and must be checked before it may answer anything."""

    model_id: ModelId
    digest: Sha256
    submitted_at: Timestamp


class ModelChecked(Payload):
    """A worker tried the model file in a limited child process."""

    model_id: ModelId
    digest: Sha256
    accepted: bool
    reason: Code | None = None
    detail: Text = ""
    checked_at: Timestamp


class ModelChanged(Payload):
    """A model was accepted, rejected, changed or deleted."""

    model_id: ModelId
    revision: Annotated[int, Field(ge=1)]
