"""Records of data sources as the AuroraX client uploads and deletes them.

A key that is not known is an error here: what it holds would be lost without a word.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from contracts.http.aurorax import UtcSecond

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_FORM = "a time like 2020-01-01T00:00:00Z; without a zone it is UTC"
_FIRST = datetime(1950, 1, 1, tzinfo=UTC)
_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


def _instant(value: object) -> datetime:
    """Return the instant that a text stands for, which is a whole second."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_FORM)
    if (match["fraction"] or "").strip("0"):
        raise ValueError("without fractions of a second")
    try:
        time = datetime.fromisoformat(match[0])
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_FORM) from None
    if not _FIRST <= time < _UNTIL:
        raise ValueError(f"a time of the years {_FIRST.year} to {_UNTIL.year - 1}")
    return time


def _minute(value: object) -> int:
    """Return the minute since 1970 that a text stands for."""
    minutes, rest = divmod(_instant(value) - _EPOCH, _MINUTE)
    if rest:
        raise ValueError("a whole minute: there is one record a minute")
    return minutes


class _Upload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Place(_Upload):
    """Degrees; both null where there is none. Longitudes are -180 to 180, or 0 to 360."""

    lat: Annotated[float, Field(ge=-90, le=90)] | None
    lon: Annotated[float, Field(ge=-180, le=360)] | None

    @model_validator(mode="after")
    def _check_both(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("lat and lon must both be numbers, or both null")
        return self


class GsmPlace(Place):
    """Degrees in GSM. Users of the client send latitudes beyond 90 here, and nothing is computed from them."""

    lat: Annotated[float, Field(ge=-360, le=360)] | None
    lon: Annotated[float, Field(ge=-360, le=360)] | None


Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f]+$")]


class OfSource(_Upload):
    """What names the source, beside its identifier in the address: a guard against uploads to a wrong one."""

    program: Text
    platform: Text
    instrument_type: Text


class EphemerisUpload(OfSource):
    """A source at one minute."""

    epoch: Annotated[int, BeforeValidator(_minute)]
    """The minute since 1970."""
    location_geo: Place | None = None
    location_gsm: GsmPlace | None = None
    nbtrace: Place | None = None
    sbtrace: Place | None = None
    metadata: dict[str, Any] | None = None


class DataProductUpload(OfSource):
    """A file that somebody made of a source's data, known by its address."""

    data_product_type: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    start: Annotated[datetime, BeforeValidator(_instant)]
    end: Annotated[datetime, BeforeValidator(_instant)]
    url: Url
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.end < self.start:
            raise ValueError("end must not lie before start")
        return self


class EphemerisDelete(OfSource):
    """Which minutes to delete: both ends included."""

    start: UtcSecond
    end: UtcSecond

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.end < self.start:
            raise ValueError("end must not lie before start")
        return self

    @property
    def minutes(self) -> tuple[int, int]:
        """The first minute since 1970 that begins within, and the one behind the last."""
        return -((_EPOCH - self.start) // _MINUTE), (self.end - _EPOCH) // _MINUTE + 1


class DataProductDelete(OfSource):
    """Which addresses to delete."""

    urls: Annotated[list[Url], Field(max_length=200_000)]
