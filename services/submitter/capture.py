"""Images by OpenCV: video files, cameras, network streams. The only file of this service that imports it."""

import asyncio
import math
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

import cv2
import numpy as np
import structlog

from services.kit.errors import ConfigError, PlatformError, Unavailable
from services.submitter.frames import Frame

log = structlog.get_logger(__name__)

OPEN_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 10.0
_JPEG_QUALITY = 90
_LONGEST_PAUSE_S = 30.0
_ROUNDING_S = 0.0005
"""Timestamps of video frames are rounded: a frame this much early still counts as due."""

_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtp,udp,tcp,tls,crypto",
    "https": "https,tls,tcp,crypto",
}
"""What FFmpeg may open for an address of each scheme: a playlist or a redirect must not lead it to files or to HTTP."""

_OPENING = threading.Lock()
"""FFmpeg's options are read from the environment, which is one for the process."""


class Capture(Protocol):
    """What a live source needs of `cv2.VideoCapture`."""

    def grab(self) -> bool:
        """Take the next frame; False when the source is lost. Blocks until there is one."""
        ...

    def retrieve(self) -> tuple[bool, np.ndarray]:
        """Return the frame that was taken."""
        ...

    def release(self) -> None:
        """Close."""
        ...


class VideoFile:
    """A video file, read as fast as its frames are taken; nothing is skipped but what lies between two intervals."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture: cv2.VideoCapture | None = None
        self._index = -1
        self._position_s = 0.0
        self._given = False
        self._closing = False
        self._using = threading.Lock()
        """Held while a thread uses the capture: a cancelled read goes on in its thread, and must not lose it there."""

    async def __aenter__(self) -> Self:
        self._capture = await asyncio.to_thread(_open_file, self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._release)

    async def frames(self, interval_s: float) -> AsyncGenerator[Frame, None]:
        """See `Source.frames`; the interval is of the video's own time."""
        due_s = 0.0
        while (frame := await asyncio.to_thread(self._read_until, due_s)) is not None:
            self._given = True
            due_s = _next_due(due_s, self._position_s + _ROUNDING_S, interval_s)
            yield frame
        if not self._given:
            raise ConfigError(f"{self._path} is not a video that can be read")

    def _release(self) -> None:
        self._closing = True
        with self._using:
            if self._capture is not None:
                self._capture.release()

    def _read_until(self, due_s: float) -> Frame | None:
        """Return the first frame at or after `due_s`, None after the last one, and once the source is left."""
        with self._using:
            capture = self._capture
            if capture is None:
                raise RuntimeError("enter the source first")
            while not self._closing and capture.grab():
                self._index += 1
                told_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                rate = capture.get(cv2.CAP_PROP_FPS)
                if self._index > 0:  # some formats carry no times: then the rate tells
                    self._position_s = told_s if told_s > self._position_s else self._position_s + 1 / (rate or 25)
                if self._position_s < due_s - _ROUNDING_S:
                    continue
                done, pixels = capture.retrieve()
                if done:
                    return _to_frame(self._index, pixels)
        return None


class LiveSource:
    """A camera or a stream. A thread reads it all the time, so that what is taken is always the newest frame.

    When it is lost it is opened again, with pauses that double up to 30 s, for as long as the source is in use.
    """

    def __init__(self, name: str, open_capture: Callable[[], Capture], *, first_pause_s: float = 0.5) -> None:
        self._name = name
        self._open_capture = open_capture
        self._first_pause_s = first_pause_s
        self._stopping = threading.Event()
        self._asked: Future[Frame] | None = None
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        capture = await asyncio.to_thread(self._open_capture)
        self._thread = threading.Thread(target=self._read, args=(capture,), name="capture", daemon=True)
        self._thread.start()
        log.info("capture.opened", source=self._name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def frames(self, interval_s: float) -> AsyncGenerator[Frame, None]:
        """See `Source.frames`; the interval is of real time."""
        started, due_s = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(max(0.0, started + due_s - time.monotonic()))
            asked: Future[Frame] = Future()
            self._asked = asked
            yield await asyncio.wrap_future(asked)
            due_s = _next_due(due_s, time.monotonic() - started, interval_s)

    def _read(self, capture: Capture) -> None:
        index = -1
        try:
            while not self._stopping.is_set():
                if not capture.grab():
                    capture.release()
                    log.warning("capture.lost", source=self._name)
                    capture = self._reopen() or capture
                    continue
                index += 1
                asked = self._asked
                if asked is not None:
                    self._hand_over(asked, capture, index)
        finally:
            capture.release()

    def _hand_over(self, asked: Future[Frame], capture: Capture, index: int) -> None:
        done, pixels = capture.retrieve()
        if not done:
            return  # the next frame may be better
        self._asked = None
        if not asked.set_running_or_notify_cancel():
            return  # whoever asked has gone
        try:
            asked.set_result(_to_frame(index, pixels))
        except Unavailable as error:
            asked.set_exception(error)

    def _reopen(self) -> Capture | None:
        """Return the source opened again, or None when it is time to stop."""
        pause_s = self._first_pause_s
        while not self._stopping.wait(pause_s):
            try:
                capture = self._open_capture()
            except PlatformError:
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                log.warning("capture.not_back", source=self._name, next_try_s=pause_s)
            else:
                log.info("capture.back", source=self._name)
                return capture
        return None


def camera(index: int) -> LiveSource:
    """Return the camera that the system numbers `index`."""

    def open_camera() -> Capture:
        with _quiet({}):
            capture = cv2.VideoCapture(index)
        return _opened(capture, ConfigError(f"there is no camera {index}, or another program has it"))

    return LiveSource(f"camera:{index}", open_camera)


def stream(url: str, *, open_timeout_s: float = OPEN_TIMEOUT_S) -> LiveSource:
    """Return the stream at an RTSP, RTSPS or HTTPS address.

    Raises:
        ConfigError: the address has another scheme, or names no host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError("the address of the stream cannot be read") from None
    if parts.scheme.lower() not in _PROTOCOLS:
        raise ConfigError(f"a stream's address begins with {', '.join(f'{name}://' for name in _PROTOCOLS)}")
    if not host:
        raise ConfigError("the address of the stream names no host")
    name = f"{parts.scheme.lower()}://{host}{f':{port}' if port else ''}{parts.path}"  # no password, no query
    protocols = _PROTOCOLS[parts.scheme.lower()]
    limits = (
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        math.ceil(open_timeout_s * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        math.ceil(_READ_TIMEOUT_S * 1000),
    )

    def open_stream() -> Capture:
        with _quiet({"OPENCV_FFMPEG_CAPTURE_OPTIONS": f"rtsp_transport;tcp|protocol_whitelist;{protocols}"}):
            capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        return _opened(capture, Unavailable(f"{name} gave no video within {open_timeout_s:g} s"))

    return LiveSource(name, open_stream)


def _open_file(path: Path) -> cv2.VideoCapture:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    with _quiet({"OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file"}):
        # Absolute, so that FFmpeg cannot take the name for an address.
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    return _opened(capture, ConfigError(f"{path} is not a video that can be read"))


def _opened(capture: cv2.VideoCapture, otherwise: PlatformError) -> cv2.VideoCapture:
    if not capture.isOpened():
        capture.release()
        raise otherwise
    return capture


@contextmanager
def _quiet(options: Mapping[str, str]) -> Iterator[None]:
    """Open under these options of FFmpeg, without its chatter on stderr: what failed is said in one line by us."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    with _OPENING:
        before = {name: os.environ.get(name) for name in ("OPENCV_FFMPEG_CAPTURE_OPTIONS", "OPENCV_FFMPEG_LOGLEVEL")}
        os.environ.update({"OPENCV_FFMPEG_LOGLEVEL": "-8"} | dict(options))
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def _next_due(due_s: float, now_s: float, interval_s: float) -> float:
    """Return the first multiple of the interval after `now_s`: what was missed is not made up for."""
    return max(due_s, (math.floor(now_s / interval_s) + 1) * interval_s) if interval_s > 0 else 0.0


def _to_frame(index: int, pixels: np.ndarray) -> Frame:
    captured_at = datetime.now(UTC)
    done, encoded = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    if not done:
        raise Unavailable(f"frame {index} could not be encoded as JPEG")
    return Frame(index, captured_at, encoded.tobytes(), "image/jpeg")
