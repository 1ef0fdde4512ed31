"""The write door as a client meets it, with the bus and the store behind it in sight."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from contracts.events import Event
from contracts.topics import FACTS, IMAGE_QUERIES
from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.bus.codec import decode
from services.kit.clock import SystemClock
from services.kit.platform import Platform
from services.kit.runtime import Factory, running
from services.kit.settings import load
from services.kit.store.records import DetectorRecord
from services.submitter.service import create
from tests.support.documents import make_detector

TENANT = "default"


@dataclass(frozen=True, slots=True)
class Door:
    """A running submitter: `http` talks to it, `platform` is what lies behind it, `detector` one that it knows."""

    app: FastAPI
    http: httpx2.AsyncClient
    platform: Platform
    detector: DetectorRecord
    store_path: Path

    async def ask(
        self, image: bytes, *, headers: dict[str, str] | None = None, **parameters: str | float
    ) -> httpx2.Response:
        """Ask the detector about an image, as JPEG unless `headers` say otherwise."""
        return await self.http.post(
            "/v1/image-queries",
            params={"detector": self.detector.id, **parameters},
            content=image,
            headers={"Content-Type": "image/jpeg"} | (headers or {}),
        )

    async def published(self, *, lane: str = "default") -> Sequence[Event[Any]]:
        """Return what lies in the workers' queue of a lane; it stays there."""
        subscription = await self.platform.bus.subscribe(IMAGE_QUERIES, lane=lane, prefetch=10_000)
        try:
            depth = await self.platform.bus.depth(IMAGE_QUERIES, lane=lane)
            deliveries = await subscription.receive(10_000) if depth.ready else ()
            return [decode(delivery.message) for delivery in deliveries]
        finally:
            await subscription.close()

    async def request(self) -> ImageQuerySubmitted:
        """Return the only question that was published."""
        (event,) = await self.published()
        assert isinstance(event.payload, ImageQuerySubmitted)
        return event.payload

    async def left_behind(self) -> dict[str, int]:
        """Count messages on the bus, and documents, claims and images in the store's file; only what is not zero."""
        counts = {
            queue.name: (await self.platform.bus.depth(queue)).ready for queue in (IMAGE_QUERIES, FACTS)
        } | rows_in(self.store_path)
        return {name: count for name, count in counts.items() if count}


def rows_in(path: Path) -> dict[str, int]:
    """Count what a submission may leave in a store's file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("queries", "claims", "blobs")
        }
    finally:
        connection.close()


@asynccontextmanager
async def open_door(
    folder: Path, *, detector: DetectorRecord | None = None, besides: Sequence[Factory] = (), **settings: Any
) -> AsyncIterator[Door]:
    """Run the submitter on the embedded adapters in `folder`, with one detector; the services `besides` start first."""
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(load({}, data=folder, **settings), [*besides, create]))
        platform: Platform = app.state.platform
        detector = detector or make_detector(tenant=TENANT, created_at=SystemClock().now())
        if await platform.store.detectors.get(detector.tenant, detector.id) is None:
            await platform.store.detectors.insert(detector)
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test", timeout=30)
        http = await stack.enter_async_context(client)
        yield Door(app, http, platform, detector, folder / "store.sqlite")
