"""Times as integers, so that stores can sort them exactly: microseconds of Unix time."""

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def to_micros(time: datetime) -> int: ...
@overload
def to_micros(time: datetime | None) -> int | None: ...
def to_micros(time: datetime | None) -> int | None:
    """Return microseconds of Unix time, exactly; None stays None."""
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def from_micros(micros: int | None) -> datetime | None:
    """Return the time in UTC; None stays None."""
    return None if micros is None else _EPOCH + micros * _MICROSECOND
