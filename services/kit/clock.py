"""Time as a parameter."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time. Durations are measured with `time.monotonic`, never with this."""

    def now(self) -> datetime:
        """Return the present time with the zone UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)
