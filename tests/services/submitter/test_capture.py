"""The capture loop: from a source into the platform, over HTTP and over the bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from contracts.topics import IMAGE_QUERIES
from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.bus.codec import decode
from services.kit.bus.memory import MemoryBus
from services.kit.bus.sqlite import SqliteBus
from services.kit.errors import ConfigError, Refused, Unavailable
from services.submitter.capture_command import open_source, run_capture
from services.submitter.capture_loop import Submitted, capture
from services.submitter.sinks import BusSink, HttpSink
from tests.support.images import make_jpeg, png_claiming
from tests.support.live import serve
from tests.support.submitting import Door, open_door, rows_in

VIDEO = Path(__file__).parents[3] / "examples" / "door" / "door.mp4"
DETECTOR_ID = "det_" + "0" * 27


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path / "data") as door:
        yield door


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three images."""
    path = tmp_path / "pictures"
    path.mkdir()
    for number in range(3):
        (path / f"{number}.jpg").write_bytes(make_jpeg(number))
    return path


async def run(
    source: Path | str,
    detector: str,
    *,
    url: str | None = None,
    token: str | None = None,
    bus: str | None = None,
    interval_s: float = 0.0,
    count: int | None = None,
    confidence_threshold: float | None = None,
    submitted: list[Submitted] | None = None,
) -> int:
    """Run the command; what it submits is appended to `submitted`."""
    async with asyncio.timeout(30):
        return await run_capture(
            source=str(source),
            detector=detector,
            url=url,
            token=token,
            bus=bus,
            interval_s=interval_s,
            count=count,
            confidence_threshold=confidence_threshold,
            on_submitted=submitted.append if submitted is not None else None,
        )


async def test_a_video_is_submitted_over_http_frame_by_frame(door: Door) -> None:
    submitted: list[Submitted] = []
    async with serve(door.app) as url:
        count = await run(
            VIDEO, door.detector.name, url=url, interval_s=1.0, confidence_threshold=0.5, submitted=submitted
        )
    events = await door.published()
    assert count == 12
    assert [item.index for item in submitted] == list(range(0, 180, 15))
    assert [item.query_id for item in submitted] == [event.payload.query_id for event in events]
    assert {event.payload.confidence_threshold for event in events} == {0.5}
    assert all(event.payload.image.data.startswith(b"\xff\xd8") for event in events)
    assert rows_in(door.store_path)["claims"] == 12


async def test_a_folder_is_submitted_up_to_the_count(door: Door, folder: Path) -> None:
    async with serve(door.app) as url:
        assert await run(folder, door.detector.id, url=url, count=2) == 2
        assert await run(folder, door.detector.id, url=url, count=0) == 0
    assert len(await door.published()) == 2


async def test_an_image_that_is_refused_does_not_end_a_folder(door: Door, folder: Path) -> None:
    (folder / "0.png").write_bytes(png_claiming(30_000, 30_000))
    submitted: list[Submitted] = []
    async with serve(door.app) as url:
        assert await run(folder, door.detector.id, url=url, count=3, submitted=submitted) == 3
    assert len(await door.published()) == 3


@pytest.mark.parametrize("detector", ["window", DETECTOR_ID])
async def test_an_unknown_detector_ends_the_capture(door: Door, folder: Path, detector: str) -> None:
    async with serve(door.app) as url:
        with pytest.raises(Refused, match="detector_not_found"):
            await run(folder, detector, url=url)


async def test_a_token_that_is_not_known_ends_the_capture(door: Door, folder: Path) -> None:
    async with serve(door.app) as url:
        with pytest.raises(Refused, match="not_authenticated"):
            await run(folder, door.detector.id, url=url, token="api_" + "x" * 40)


def flaky(answers: list[int], keys: list[str | None]) -> FastAPI:
    """A platform that answers with these statuses, one after the other, then accepts; remembers the keys."""
    app = FastAPI()

    @app.post("/v1/image-queries")
    async def submit(request: Request) -> Response:
        keys.append(request.headers.get("Idempotency-Key"))
        if answers:
            return Response(status_code=answers.pop(0))
        now = "2026-11-20T10:00:00Z"
        body = {"id": f"iq_{len(keys)}", "state": "submitted", "revision": 0, "created_at": now, "updated_at": now}
        return JSONResponse(body, status_code=202)

    return app


async def test_a_passing_failure_is_tried_again_with_the_same_key(folder: Path) -> None:
    keys: list[str | None] = []
    async with serve(flaky([503, 500, 429], keys)) as url:
        assert await run(folder, DETECTOR_ID, url=url, count=2) == 2
    assert len(set(keys[:4])) == 1
    assert len(set(keys)) == 2
    assert None not in keys


async def test_a_platform_that_restarts_is_waited_for(folder: Path) -> None:
    keys: list[str | None] = []
    async with serve(flaky([], keys)) as url:
        port = httpx2.URL(url).port
    running = asyncio.create_task(run(folder, DETECTOR_ID, url=url, count=3))
    await asyncio.sleep(0.3)
    assert not running.done()
    async with serve(flaky([], keys), port=port or 0):
        assert await running == 3


async def test_a_platform_that_stays_away_is_given_up(folder: Path) -> None:
    async with serve(FastAPI()) as url:
        pass
    source, sink = open_source(str(folder)), HttpSink(url, DETECTOR_ID, retry_for_s=0.5)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await capture(source, sink, interval_s=0)


@pytest.mark.parametrize("endless", [True, False])
async def test_an_endless_source_outlives_any_outage_once_the_platform_has_answered(
    folder: Path,
    endless: bool,  # noqa: FBT001
) -> None:
    keys: list[str | None] = []
    outage: list[int] = []

    def submitted(_: Submitted) -> None:
        if len(keys) == 1:
            outage.extend([503, 503, 503])  # pauses of 0.2, 0.4 and 0.8 s

    async with serve(flaky(outage, keys)) as url:
        sink = HttpSink(url, DETECTOR_ID, retry_for_s=0.5, endless=endless)
        capturing = capture(open_source(str(folder)), sink, interval_s=0, count=3, on_submitted=submitted)
        if endless:
            assert await capturing == 3
        else:
            with pytest.raises(Unavailable, match="answers 503"):
                await capturing


async def test_an_address_that_is_no_platform_is_said(folder: Path) -> None:
    app = FastAPI()

    @app.post("/v1/image-queries")
    async def greet() -> str:
        return "hello"

    async with serve(app) as url:
        with pytest.raises(ConfigError, match="does not answer as this platform does"):
            await run(folder, DETECTOR_ID, url=url)
    for address in ("ftp://host", "host", "http://", "http://host:port"):
        with pytest.raises(ConfigError, match="address of the platform"):
            await run(folder, DETECTOR_ID, url=address)


async def test_a_folder_is_submitted_over_the_bus_alone(tmp_path: Path, folder: Path) -> None:
    submitted: list[Submitted] = []
    address = f"sqlite:///{tmp_path / 'bus.sqlite'}"
    assert await run(folder, DETECTOR_ID, bus=address, count=3, confidence_threshold=0.7, submitted=submitted) == 3
    async with SqliteBus(tmp_path / "bus.sqlite") as bus:
        subscription = await bus.subscribe(IMAGE_QUERIES)
        events = [decode(delivery.message) for delivery in await subscription.receive(10)]
    payloads = [event.payload for event in events if isinstance(event.payload, ImageQuerySubmitted)]
    assert [payload.query_id for payload in payloads] == [item.query_id for item in submitted]
    assert [payload.image.data for payload in payloads] == [make_jpeg(number) for number in range(3)]
    assert {(event.source, event.tenant, event.lane) for event in events} == {("device", "default", "default")}
    assert {payload.confidence_threshold for payload in payloads} == {0.7}


async def test_a_bus_that_goes_away_is_given_up_after_a_while(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        bus = MemoryBus()
        sink = await stack.enter_async_context(BusSink(bus, DETECTOR_ID, retry_for_s=0.3))
        source = await stack.enter_async_context(open_source(str(folder)))
        frame = await anext(source.frames(0))
        assert (await sink.submit(frame)).startswith("iq_")
        await bus.__aexit__(None, None, None)
        with pytest.raises(Unavailable):
            await sink.submit(frame)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"url": "http://h", "bus": "memory://"}, "either"),
        ({}, "either"),
        ({"bus": "memory://"}, "by its ID"),
        ({"bus": "kafka://h"}, "address must begin"),
        ({"url": "http://h", "interval_s": -1.0}, "interval"),
        ({"url": "http://h", "interval_s": float("nan")}, "interval"),
        ({"url": "http://h", "confidence_threshold": 7.0}, "threshold"),
    ],
)
async def test_what_cannot_work_is_said_before_anything_is_opened(
    folder: Path, given: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        await run(folder, "door", **given)
