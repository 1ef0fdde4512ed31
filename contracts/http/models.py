"""Models: an ONNX file and the manifest that says how to feed it and read it."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from contracts.base import Label, Probability
from contracts.http.base import Request, Resource

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Side = Annotated[int, Field(ge=1, le=4096)]


class ManifestInput(Request):
    """How pixels become the input tensor: decode, `resize`, then `(pixel / 255 - mean) / std` in `layout`.

    With dtype `uint8` the pixels go in as they are, 0 to 255. `mean` and `std` have one number per channel.
    """

    name: str | None = None
    width: Side
    height: Side
    color: Literal["rgb", "bgr", "gray"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    dtype: Literal["float32", "uint8"] = "float32"
    resize: Literal["stretch", "letterbox", "crop"] = "stretch"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def channels(self) -> int:
        """1 for gray, else 3."""
        return 1 if self.color == "gray" else 3

    @model_validator(mode="after")
    def _check_normalisation(self) -> Self:
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) != self.channels:
                raise ValueError(f"{name} needs {self.channels} numbers, one per channel, not {len(values)}")
            if values is not None and self.dtype == "uint8":
                raise ValueError(f"{name} has no effect on uint8 input; leave it out")
        if self.std is not None and any(value <= 0 for value in self.std):
            raise ValueError("std must be above 0")
        return self


class ManifestOutput(Request):
    """How the output tensor becomes an answer.

    Classification: (N, len(labels)), then `activation`, then the largest. Detection: candidates with four numbers of a
    box and a score per label. Text: steps with a score per character and one for the blank.
    """

    name: str | None = None
    labels: Annotated[tuple[Label, ...], Field(max_length=1000)] = ()
    activation: Literal["none", "softmax", "sigmoid"] = "softmax"
    """`none` when the graph already gives probabilities."""
    boxes: Literal["corners", "centre"] = "corners"
    """Left, top, right, bottom; or x and y of the centre, width, height."""
    units: Literal["pixels", "fractions"] = "pixels"
    """Of the model's input."""
    candidates: Literal["first", "last"] = "first"
    """Which axis after N the candidates are: (N, candidates, 4 + labels) or (N, 4 + labels, candidates)."""
    score_threshold: Probability = 0.25
    iou_threshold: Probability = 0.45
    characters: Annotated[str, StringConstraints(max_length=20_000)] = ""
    blank: Literal["first", "last"] = "first"

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ from each other")
        return self


_ACTIVATIONS = {
    "classification": {"none", "softmax"},
    "detection": {"none", "sigmoid"},
    "text": {"none", "softmax"},
}
_ONLY_FOR = {
    "boxes": "detection",
    "units": "detection",
    "candidates": "detection",
    "score_threshold": "detection",
    "iou_threshold": "detection",
    "characters": "text",
    "blank": "text",
}
"""Fields of the output and the task that they are for."""
_LEAST_LABELS = {"classification": 2, "detection": 1, "text": 0}


class Manifest(Request):
    """What a model file needs to be served."""

    task: Literal["classification", "detection", "text"] = "classification"
    input: ManifestInput
    output: ManifestOutput

    @model_validator(mode="after")
    def _check_output(self) -> Self:
        output, least = self.output, _LEAST_LABELS[self.task]
        if len(output.labels) < least:
            raise ValueError(f"output.labels: {self.task} needs at least {least}")
        if self.task == "text" and (output.labels or not output.characters):
            raise ValueError("output: a text model has characters, and no labels")
        if output.activation not in _ACTIVATIONS[self.task]:
            allowed = " or ".join(sorted(_ACTIVATIONS[self.task]))
            raise ValueError(f"output.activation: {self.task} takes {allowed}; say which")
        for name, task in _ONLY_FOR.items():
            if task != self.task and getattr(output, name) != ManifestOutput.model_fields[name].default:
                raise ValueError(f"output.{name}: it has no effect in {self.task}; leave it out")
        return self

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The sizes of the output after N, None where any is right."""
        if self.task == "classification":
            return (len(self.output.labels),)
        if self.task == "text":
            return (None, len(self.output.characters) + 1)
        columns = len(self.output.labels) + 4
        return (None, columns) if self.output.candidates == "first" else (columns, None)


class Model(Resource):
    """A registered model. It answers queries only while `status` is `ready`."""

    id: str
    name: str
    digest: str
    """SHA-256 of the file, hexadecimal."""
    size_bytes: int
    manifest: Manifest
    status: Literal["checking", "ready", "rejected"]
    reason: str | None = None
    detail: str = ""
    description: str = ""
    revision: int
    created_at: datetime
    updated_at: datetime


class ModelUpdate(Request):
    """Fields to change; the file and its manifest never change under a digest."""

    name: ModelName | None = None
    description: Annotated[str, StringConstraints(max_length=2000)] | None = None


class ModelPage(Resource):
    """A page of models, newest first."""

    items: tuple[Model, ...]
    next_cursor: str | None = None
