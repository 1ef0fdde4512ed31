"""Detectors: a question, its possible answers and the model that answers it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts.base import Label, Name, Probability, Seconds
from contracts.http.base import Json, Request, Resource

# `& # + %` never work in a client's `?name=`, and `/` not in a path: refused at creation.
DetectorName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^&#+%/\x00-\x1f\x7f]+$")]
Question = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Labels = Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)]
ModelReference = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A model's name or ID."""
Mode = Literal["binary", "multiclass", "count", "bounding_box", "text"]
Most = Annotated[int, Field(ge=1, le=50)]
Characters = Annotated[int, Field(ge=1, le=250)]
Group = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Detector(Resource):
    """A detector. `model` is the name of the bound model, null while a person must answer."""

    id: str
    name: str
    query: str
    mode: Mode = "binary"
    labels: tuple[str, ...] = ("NO", "YES")
    class_name: str | None = None
    """What is counted or boxed."""
    max_objects: int | None = None
    """A count or boxes above it are GREATER_THAN_MAX."""
    max_characters: int | None = None
    """A longer text is cut."""
    group: str = "default"
    enabled: bool = True
    """A disabled detector takes no queries."""
    confidence_threshold: Probability = 0.9
    patience_s: Seconds = 30.0
    model: str | None = None
    model_id: str | None = None
    lane: str = "default"
    metadata: Json = None
    revision: int
    created_at: datetime
    updated_at: datetime


class DetectorCreate(Request):
    """A new detector. A binary one has the labels NO and YES; a multiclass one names its own.

    One that counts or boxes names its class. Without `model` the installation's default for the mode and name is
    bound, if it fits; with `model: null` none is.
    """

    name: DetectorName
    query: Question
    mode: Mode = "binary"
    labels: Labels | None = None
    class_name: Label | None = None
    max_objects: Most | None = None
    max_characters: Characters | None = None
    group: Group = "default"
    confidence_threshold: Probability = 0.9
    patience_s: Seconds = 30.0
    model: ModelReference | None = None
    lane: Name = "default"
    metadata: Json = None


class DetectorUpdate(Request):
    """Fields to change; what is left out stays. `model: null` unbinds."""

    name: DetectorName | None = None
    query: Question | None = None
    confidence_threshold: Probability | None = None
    patience_s: Seconds | None = None
    enabled: bool | None = None
    model: ModelReference | None = None
    lane: Name | None = None
    metadata: Json = None


class DetectorPage(Resource):
    """A page of detectors, newest first."""

    items: tuple[Detector, ...]
    next_cursor: str | None = None
