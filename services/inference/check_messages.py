"""What a worker and the child that tries a model say to each other: one line of JSON each way."""

from pydantic import BaseModel, ConfigDict

from contracts.http.models import Manifest


class Trial(BaseModel):
    """Try the file at `path` with `manifest`."""

    model_config = ConfigDict(frozen=True)

    path: str
    manifest: Manifest
    memory_bytes: int
    processor_s: int


class Verdict(BaseModel):
    """Whether the file may answer queries; `reason` is stable, `detail` for a person."""

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reason: str | None = None
    detail: str = ""
