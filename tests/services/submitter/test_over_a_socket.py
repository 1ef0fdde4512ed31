"""The write door on a real socket: bodies that are too large, stop in the middle, or lie about their length."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from structlog.testing import capture_logs

from contracts.http.routes import MIB
from tests.support.images import make_jpeg
from tests.support.live import serve
from tests.support.submitting import Door, open_door
from tests.support.until import until

JPEG = make_jpeg()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path) as door:
        yield door


@pytest.fixture
async def origin(door: Door) -> AsyncIterator[str]:
    async with serve(door.app) as origin:
        yield origin


@pytest.mark.parametrize("with_length", [True, False])
async def test_a_body_over_the_limit_is_refused(door: Door, origin: str, *, with_length: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield bytes(MIB)

    async with httpx2.AsyncClient(base_url=origin, timeout=20, trust_env=False) as client:
        response = await client.post(
            "/v1/image-queries",
            params={"detector": door.detector.id},
            content=bytes(11 * MIB) if with_length else chunks(),
            headers={"Content-Type": "image/jpeg"},
        )
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert await door.left_behind() == {}


async def test_the_largest_body_is_taken(door: Door, origin: str) -> None:
    async with httpx2.AsyncClient(base_url=origin, timeout=20, trust_env=False) as client:
        response = await client.post(
            "/v1/image-queries", params={"detector": door.detector.id}, content=make_jpeg(size_bytes=10 * MIB)
        )
    assert response.status_code == 202
    assert (await door.request()).image.size_bytes == 10 * MIB


async def test_a_sender_that_goes_away_in_the_middle_leaves_nothing_and_alarms_nobody(door: Door, origin: str) -> None:
    address = urlsplit(origin)
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"POST /v1/image-queries?detector={door.detector.id} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        writer.write(head.encode() + f"Content-Length: {len(JPEG)}\r\n\r\n".encode() + JPEG[:100])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await until(lambda: 'route="/v1/image-queries",status="400"' in metrics(door))
    assert await door.left_behind() == {}
    assert [entry for entry in logs if entry["log_level"] in {"error", "warning"}] == []


def metrics(door: Door) -> str:
    """The metrics of requests, as text."""
    samples = [sample for metric in door.platform.metrics.requests.collect() for sample in metric.samples]
    return " ".join(f'route="{s.labels["route"]}",status="{s.labels["status"]}"' for s in samples)
