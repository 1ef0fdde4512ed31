"""What `sightline capture` runs: a source and a destination by their names."""

import math
from collections.abc import Callable
from pathlib import Path

from services.kit.errors import ConfigError
from services.kit.runtime import open_bus
from services.kit.settings import load
from services.submitter.capture import OPEN_TIMEOUT_S, VideoFile, camera, stream
from services.submitter.capture_loop import Submitted, capture
from services.submitter.folder import FolderWatch
from services.submitter.frames import Sink, Source
from services.submitter.sinks import BusSink, HttpSink


async def run_capture(
    *,
    source: str,
    detector: str,
    url: str | None,
    token: str | None,
    bus: str | None,
    interval_s: float,
    count: int | None,
    confidence_threshold: float | None,
    on_submitted: Callable[[Submitted], None] | None,
    open_timeout_s: float = OPEN_TIMEOUT_S,
) -> int:
    """Capture until the source ends, `count` images were accepted, or the caller is cancelled; return how many.

    `source` is a camera's number (`0`, `camera:0`), a video file, a folder, or an rtsp, rtsps or https address. The
    images go to the platform at `url`, or onto the `bus`, where `detector` must be an ID. While that is away, it is
    tried for a minute; for a source without an end, once it has taken an image, for as long as it is away.

    Raises:
        ConfigError, Refused, Unavailable: with one line that says what is wrong.
    """
    if not math.isfinite(interval_s) or interval_s < 0:
        raise ConfigError("the interval must be 0 seconds or more")
    if confidence_threshold is not None and not 0 <= confidence_threshold <= 1:
        raise ConfigError("the confidence threshold must be between 0 and 1")
    opened = open_source(source, open_timeout_s=open_timeout_s)
    # A camera that stops for good because its platform was updated at night would be missed in the morning.
    endless = not isinstance(opened, VideoFile)
    sink = _open_sink(detector, url, token, bus, confidence_threshold, endless=endless)
    return await capture(opened, sink, interval_s=interval_s, count=count, on_submitted=on_submitted)


def open_source(source: str, *, open_timeout_s: float = OPEN_TIMEOUT_S) -> Source:
    """Return the source that `source` names, not entered yet.

    Raises:
        ConfigError: it names nothing that images can come from.
    """
    number = source.removeprefix("camera:")
    if number.isascii() and number.isdecimal() and len(number) <= 4:
        return camera(int(number))
    if "://" in source:
        return stream(source, open_timeout_s=open_timeout_s)
    path = Path(source)
    try:
        if path.is_dir():
            return FolderWatch(path)
        if path.is_file():
            return VideoFile(path)
        found = path.exists()
    except OSError as error:
        raise ConfigError(f"cannot look at {source!r}: {error.strerror}") from error
    raise ConfigError(f"{source!r} is {'neither a file nor a folder' if found else 'not there'}")


def _open_sink(
    detector: str,
    url: str | None,
    token: str | None,
    bus: str | None,
    confidence_threshold: float | None,
    *,
    endless: bool,
) -> Sink:
    if (url is None) == (bus is None):
        raise ConfigError("name either the address of the platform or that of its bus")
    if url is not None:
        return HttpSink(url, detector, token=token, confidence_threshold=confidence_threshold, endless=endless)
    return BusSink(open_bus(load({}, bus=bus)), detector, confidence_threshold=confidence_threshold, endless=endless)
