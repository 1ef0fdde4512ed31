"""The capture loop: one frame after the other from a source into a sink."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

import structlog

from services.kit.errors import Refused
from services.submitter.frames import Sink, Source

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A frame that was accepted."""

    query_id: str
    index: int
    captured_at: datetime


async def capture(
    source: Source,
    sink: Sink,
    *,
    interval_s: float,
    count: int | None = None,
    on_submitted: Callable[[Submitted], None] | None = None,
) -> int:
    """Submit a frame every `interval_s` until the source ends, or `count` were accepted; return how many were.

    One at a time: while a frame is being submitted, a live source skips what comes, a file or folder waits. A single
    image that is refused is logged and passed over; whatever else is refused would be refused for every frame.

    Raises:
        Refused, Unavailable, ConfigError: of the source or the sink. What was accepted before stays accepted.
    """
    accepted = 0
    if count is not None and count <= 0:
        return accepted
    async with sink, source, aclosing(source.frames(interval_s)) as frames:
        async for frame in frames:
            try:
                query_id = await sink.submit(frame)
            except Refused as error:
                if not error.code.startswith("image_"):
                    raise
                log.warning("capture.refused", index=frame.index, code=error.code, detail=error.detail)
                continue
            accepted += 1
            if on_submitted is not None:
                on_submitted(Submitted(query_id, frame.index, frame.captured_at))
            if accepted == count:
                break
    return accepted
