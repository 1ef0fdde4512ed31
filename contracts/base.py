"""What every payload shares: strict, frozen models whose readers ignore what they do not know."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StringConstraints


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a zone, e.g. 2026-11-20T10:00:00Z")
    return value


Timestamp = Annotated[datetime, Strict(strict=False), AfterValidator(_aware)]
"""A point in time with a zone; RFC 3339 on the wire."""

QueryId = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,4}_[0-9A-Za-z]{27}$")]
DetectorId = Annotated[str, StringConstraints(pattern=r"^det_[0-9A-Za-z]{27}$")]
ModelId = Annotated[str, StringConstraints(pattern=r"^mdl_[0-9A-Za-z]{27}$")]
LetterId = Annotated[str, StringConstraints(pattern=r"^dead_[0-9a-f]{27}$")]
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A tenant or a lane: it becomes part of routing keys and queue names."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, le=1e9)]
Text = Annotated[str, StringConstraints(max_length=2000)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A stable, machine-readable reason."""


class Payload(BaseModel):
    """Base of every message body.

    Readers ignore unknown fields, so that an optional addition breaks nobody; producers never send them.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)
