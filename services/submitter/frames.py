"""What a source of images gives, and what a sink of them promises."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Frame:
    """One image to submit. `index` counts the source's own frames from 0: a video's frames, a folder's files."""

    index: int
    captured_at: datetime
    data: bytes
    media_type: str


class Source(Protocol):
    """Where images come from. Enter it to open; leave it to close."""

    async def __aenter__(self) -> Self:
        """Open.

        Raises:
            ConfigError: it is not there or cannot be read.
            Unavailable: it does not answer.
        """
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; a read in progress is finished first."""
        ...

    def frames(self, interval_s: float) -> AsyncGenerator[Frame, None]:
        """Give one frame every `interval_s`, each when it is asked for.

        A live source skips what nobody asked for in time, so that what it gives is new; a file or folder skips
        nothing. Ends when the source does; a live one has no end.
        """
        ...


class Sink(Protocol):
    """Where images go. Enter it to connect; leave it to close."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def submit(self, frame: Frame) -> str:
        """Return the query's ID once the frame was accepted durably; a passing failure is tried again for a while.

        Raises:
            Refused: it would be refused again.
            Unavailable: it could not be accepted in the time that the sink allows.
        """
        ...
