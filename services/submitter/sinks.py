"""Where captured images go: to a platform over HTTP, or straight onto its bus."""

import asyncio
import hashlib
import math
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

import httpx2
import structlog
from pydantic import ValidationError

from contracts.http.base import Problem
from contracts.http.queries import Query
from contracts.ids import DETECTOR, EVENT, IMAGE_QUERY, is_id, new_id
from contracts.v1.image_query import MAX_IMAGE_BYTES, Image, ImageQuerySubmitted
from services.kit.bus.codec import encode, event_of
from services.kit.bus.port import Bus
from services.kit.clock import Clock, SystemClock
from services.kit.errors import ConfigError, Refused, Unavailable
from services.submitter.frames import Frame

log = structlog.get_logger(__name__)

T = TypeVar("T")

RETRY_FOR_S = 60.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_REQUEST_S = 30.0
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that say nothing against the request: it is repeated with its key."""


class HttpSink:
    """Submits to `POST /v1/image-queries`. Each frame has a key of its own, so that a repeat doubles nothing.

    A platform that is away is tried for `retry_for_s`; with `endless`, once it has taken a frame, for ever.
    """

    def __init__(
        self,
        url: str,
        detector: str,
        *,
        token: str | None = None,
        confidence_threshold: float | None = None,
        retry_for_s: float = RETRY_FOR_S,
        endless: bool = False,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._client = httpx2.AsyncClient(base_url=url, headers=headers, timeout=_REQUEST_S)
        except (httpx2.InvalidURL, ValueError):
            raise ConfigError("the address of the platform cannot be read") from None
        if self._client.base_url.scheme not in {"http", "https"} or not self._client.base_url.host:
            raise ConfigError("the address of the platform looks like http://host:8470")
        self._parameters = {"detector": detector} | (
            {} if confidence_threshold is None else {"confidence_threshold": str(confidence_threshold)}
        )
        self._patience = _Patience(retry_for_s, endless=endless)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def submit(self, frame: Frame) -> str:
        """See `Sink.submit`."""
        key = secrets.token_hex(16)
        return await self._patience.insist(lambda: self._post(frame, key))

    async def _post(self, frame: Frame, key: str) -> str:
        try:
            response = await self._client.post(
                "/v1/image-queries",
                params=self._parameters,
                content=frame.data,
                headers={"Content-Type": frame.media_type, "Idempotency-Key": key},
            )
        except httpx2.TransportError as error:
            raise Unavailable(f"{self._client.base_url} cannot be reached: {type(error).__name__}") from error
        if response.status_code in _PASSING:
            raise Unavailable(f"{self._client.base_url} answers {response.status_code}")
        if response.status_code >= 400:
            raise _refusal(response)
        try:
            return Query.model_validate_json(response.content).id
        except ValidationError:
            raise ConfigError(f"{self._client.base_url} does not answer as this platform does") from None


class BusSink:
    """Publishes `image_query.submitted` itself, the image inside; needs the bus and the detector's ID, nothing else.

    A bus that is away is tried for `retry_for_s`; with `endless`, once it has taken a frame, for ever.
    """

    def __init__(
        self,
        bus: Bus,
        detector_id: str,
        *,
        tenant: str = "default",
        lane: str = "default",
        confidence_threshold: float | None = None,
        retry_for_s: float = RETRY_FOR_S,
        endless: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if not is_id(detector_id, DETECTOR):
            raise ConfigError("over the bus a detector is named by its ID, det_...: there is nobody to look a name up")
        self._bus = bus
        self._detector_id = detector_id
        self._tenant = tenant
        self._lane = lane
        self._confidence_threshold = 0.9 if confidence_threshold is None else confidence_threshold
        self._patience = _Patience(retry_for_s, endless=endless)
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._bus)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def submit(self, frame: Frame) -> str:
        """See `Sink.submit`."""
        if len(frame.data) > MAX_IMAGE_BYTES:
            raise Refused("body_too_large", f"the image has {len(frame.data)} bytes, the bus takes {MAX_IMAGE_BYTES}")
        now = self._clock.now()
        query_id = new_id(IMAGE_QUERY, now)
        image = Image(
            sha256=hashlib.sha256(frame.data).hexdigest(),
            size_bytes=len(frame.data),
            media_type=frame.media_type,
            data=frame.data,
        )
        event = event_of(
            ImageQuerySubmitted(
                query_id=query_id,
                detector_id=self._detector_id,
                image=image,
                submitted_at=now,
                confidence_threshold=self._confidence_threshold,
            ),
            source="device",
            tenant=self._tenant,
            at=now,
            lane=self._lane,
            subject=query_id,
            event_id=f"{EVENT}_{query_id.removeprefix(f'{IMAGE_QUERY}_')}",
        )
        await self._patience.insist(lambda: self._bus.publish([encode(event)]))
        return query_id


class _Patience:
    """How long a passing failure is tried again, with growing pauses."""

    def __init__(self, for_s: float, *, endless: bool) -> None:
        self._for_s = for_s
        self._endless = endless

    async def insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` gives, trying again while it raises Unavailable and there is patience left."""
        loop = asyncio.get_running_loop()
        until, pause_s = loop.time() + self._for_s, _FIRST_PAUSE_S
        while True:
            try:
                result = await attempt()
            except Unavailable as error:
                if loop.time() + pause_s > until:
                    raise
                log.warning("capture.waits", error=str(error), next_try_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                if self._endless:  # it works in principle: from now on an outage ends by itself
                    self._for_s = math.inf
                return result


def _refusal(response: httpx2.Response) -> Refused:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return Refused("bad_request", f"the platform's address answers {response.status_code}")
    return Refused(problem.code, problem.detail or problem.title)
