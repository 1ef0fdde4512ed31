"""The parameters that every list takes."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a zone, e.g. 2026-11-20T10:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time of the years 1 to 9999 in UTC") from None


UtcTime = Annotated[datetime, AfterValidator(_in_utc)]
"""An RFC 3339 time; kept in UTC."""


class PageParameters(BaseModel):
    """Where a page begins and how long it is. An unknown parameter is an error: a misspelt filter would not filter."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    limit: Annotated[int, Field(ge=1, le=200, description="Most items on the page.", examples=[50])] = 50
    cursor: Annotated[
        str | None,
        Field(description="`next_cursor` of the page before.", examples=["MjAyNi0xMS0yMFQxMDowMDowMCswMDowMCBpcV8w"]),
    ] = None
