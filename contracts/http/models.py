"""Models: an ONNX file and the manifest that says how to feed it and read it."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from contracts.base import Label
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
    """How the output tensor, shape (N, len(labels)), becomes a label: `activation`, then the largest."""

    name: str | None = None
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)]
    activation: Literal["none", "softmax"] = "softmax"
    """`none` when the graph already gives probabilities."""

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ from each other")
        return self


class Manifest(Request):
    """What a model file needs to be served."""

    task: Literal["classification"] = "classification"
    input: ManifestInput
    output: ManifestOutput


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
