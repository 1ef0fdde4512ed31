"""An inference service at work on a bus and a store of its own, and the detectors, models and queries it needs."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from contracts.base import Payload
from contracts.events import Event
from contracts.http.models import Manifest
from contracts.ids import DETECTOR, IMAGE_QUERY, MODEL, new_id
from contracts.topics import FACTS
from contracts.v1.control import DetectorChanged, ModelChanged, ModelSubmitted
from contracts.v1.image_query import Image, ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from services.inference.answering import Answering
from services.inference.decoding import DecodePool
from services.inference.engine import Engine
from services.inference.isolation import Isolation
from services.inference.library import ModelLibrary
from services.inference.onnx_engine import OnnxEngine
from services.inference.preparing import Preparation
from services.inference.running import Runner
from services.inference.service import InferenceService
from services.inference.triage import Triage
from services.kit.bus.codec import decode, encode, event_of
from services.kit.bus.memory import MemoryBus
from services.kit.bus.port import Bus, Subscription
from services.kit.catalog import Catalog
from services.kit.health import Health
from services.kit.metrics import Metrics
from services.kit.platform import Platform
from services.kit.settings import load
from services.kit.store.records import Blob, DetectorRecord, ModelRecord
from services.kit.store.sqlite import SqliteStore
from services.kit.waiter import Waiter
from tests.support.onnx_models import brightness_manifest, brightness_model
from tests.support.stores import FixedClock

TENANT = "acme"


def gray_jpeg(level: int, *, width: int = 40, height: int = 30) -> bytes:
    """A JPEG of one brightness, 0 to 255."""
    done, data = cv2.imencode(".jpg", np.full((height, width, 3), level, np.uint8))
    assert done
    return bytes(data.tobytes())


def image_of(data: bytes, *, inline: bool = True, sha256: str | None = None) -> Image:
    """An image as it travels."""
    return Image(
        sha256=sha256 or hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        media_type="image/jpeg",
        data=data if inline else None,
    )


class Workshop:
    """Everything around the service. `facts` are what it published, in order, submissions left out."""

    def __init__(self, platform: Platform, service: InferenceService, clock: FixedClock, out: Subscription) -> None:
        self.platform = platform
        self.service = service
        self.clock = clock
        self._out = out

    async def add_model(
        self,
        data: bytes | None = None,
        manifest: Manifest | None = None,
        *,
        name: str = "brightness",
        tenant: str = TENANT,
        status: Literal["checking", "ready", "rejected"] = "ready",
        with_file: bool = True,
    ) -> ModelRecord:
        """Register a model, as if it had been checked already."""
        data = brightness_model() if data is None else data
        now = self.clock.now()
        record = ModelRecord(
            tenant=tenant,
            id=new_id(MODEL, now),
            name=name,
            digest=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            manifest=manifest or brightness_manifest(),
            status=status,
            created_at=now,
            updated_at=now,
        )
        if with_file:
            blob = Blob(tenant=tenant, sha256=record.digest, media_type="application/octet-stream", data=data)
            await self.platform.store.model_files.put(blob)
        await self.platform.store.models.insert(record)
        return record

    async def add_detector(
        self, model: ModelRecord | None, *, name: str = "light", tenant: str = TENANT
    ) -> DetectorRecord:
        """Register a detector; without a model a person must answer."""
        now = self.clock.now()
        record = DetectorRecord(
            tenant=tenant,
            id=new_id(DETECTOR, now),
            name=name,
            query="Is it bright?",
            labels=("dark", "bright"),
            model_id=model.id if model else None,
            created_at=now,
            updated_at=now,
        )
        await self.platform.store.detectors.insert(record)
        return record

    async def change(self, record: DetectorRecord | ModelRecord, **update: Any) -> None:
        """Replace a record, announce it, and wait until the service's catalogue has heard."""
        changed = record.model_copy(update=update | {"revision": record.revision + 1})
        payload: DetectorChanged | ModelChanged
        if isinstance(changed, DetectorRecord):
            await self.platform.store.detectors.replace(changed)
            payload = DetectorChanged(detector_id=changed.id, revision=changed.revision)
        else:
            assert isinstance(changed, ModelRecord)
            await self.platform.store.models.replace(changed)
            payload = ModelChanged(model_id=changed.id, revision=changed.revision)
        heard = asyncio.Event()
        self.platform.catalog.on_change(lambda tenant, record_id: heard.set() if record_id == record.id else None)
        await self.platform.bus.publish([self._message(payload, record.tenant)])
        async with asyncio.timeout(10):
            await heard.wait()

    def query(
        self,
        detector: DetectorRecord | str,
        image: Image | bytes,
        *,
        submitted_at: datetime | None = None,
        expires_at: datetime | None = None,
        replay: int = 0,
    ) -> ImageQuerySubmitted:
        """A question about an image, not asked yet."""
        return ImageQuerySubmitted(
            query_id=new_id(IMAGE_QUERY, self.clock.now()),
            detector_id=detector if isinstance(detector, str) else detector.id,
            image=image_of(image) if isinstance(image, bytes) else image,
            submitted_at=submitted_at or self.clock.now(),
            expires_at=expires_at,
            replay=replay,
        )

    async def ask(self, *queries: ImageQuerySubmitted, tenant: str = TENANT, lane: str = "default") -> None:
        """Publish questions, together."""
        await self.platform.bus.publish([self._message(query, tenant, lane=lane) for query in queries])

    async def submit_model(self, record: ModelRecord) -> None:
        """Ask for the check of a model file."""
        payload = ModelSubmitted(model_id=record.id, digest=record.digest, submitted_at=self.clock.now())
        await self.platform.bus.publish([self._message(payload, record.tenant)])

    async def put_image(self, data: bytes, *, tenant: str = TENANT) -> None:
        """Lay an image into the store, for queries that name it by reference."""
        sha256 = hashlib.sha256(data).hexdigest()
        await self.platform.store.images.put(Blob(tenant=tenant, sha256=sha256, media_type="image/jpeg", data=data))

    async def fact(self) -> Event[Payload]:
        """Wait for the next fact that the service publishes."""
        async with asyncio.timeout(40):
            while True:
                for delivery in await self._out.receive(1):
                    await self._out.ack([delivery])
                    event = decode(delivery.message)
                    if event.source == "inference":
                        return event

    async def answers(self, count: int) -> dict[str, ImageAnswer]:
        """Wait for answers, by query; anything else that comes is an error."""
        answers: dict[str, ImageAnswer] = {}
        while len(answers) < count:
            event = await self.fact()
            assert isinstance(event.payload, ImageQueryAnswered), event
            answers |= {answer.query_id: answer for answer in event.payload.answers}
        return answers

    @asynccontextmanager
    async def store_away(self) -> AsyncIterator[None]:
        """The store cannot be reached for a while."""
        store = self.platform.store
        await store.__aexit__(None, None, None)
        try:
            yield
        finally:
            await store.__aenter__()

    def _message(self, payload: Payload, tenant: str, *, lane: str = "default") -> Any:
        return encode(event_of(payload, source="test", tenant=tenant, lane=lane, at=self.clock.now()))


async def answering_of(platform: Platform, stack: AsyncExitStack) -> Answering:
    """The handler of image queries by itself."""
    pool = DecodePool(1, max_pixels=platform.settings.image_max_pixels)
    library = ModelLibrary(platform.store.model_files, OnnxEngine(threads=1), memory_bytes=1024**3)
    isolation = Isolation(platform.store.model_files, platform.metrics, memory_bytes=2 * 1024**3, limit_s=60)
    runner = Runner(platform.metrics)
    for part in (pool, library, isolation, runner):
        await part.start(stack)
    return Answering(
        triage=Triage(platform.catalog, platform.clock),
        library=library,
        isolation=isolation,
        preparation=Preparation(platform.store.images, pool, platform.metrics),
        runner=runner,
        clock=platform.clock,
        metrics=platform.metrics,
        batch_size=4,
    )


@asynccontextmanager
async def workshop(
    folder: Path, *, lanes: Sequence[str] = ("default",), engine: Engine | None = None, **settings: Any
) -> AsyncIterator[Workshop]:
    """Start the service; leaving drains it."""
    clock = FixedClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(folder / "store.sqlite", clock=clock))
        bus: Bus = await stack.enter_async_context(MemoryBus())
        metrics = Metrics()
        catalog = Catalog(bus, store, metrics)
        await catalog.start(stack)
        out = await bus.subscribe(FACTS, prefetch=1000)
        platform = Platform(
            settings=load({}, data=folder, lanes=tuple(lanes), **settings),
            bus=bus,
            store=store,
            clock=clock,
            metrics=metrics,
            health=Health(),
            waiter=Waiter(bus, store, metrics, max_waiters=10),
            catalog=catalog,
        )
        service = InferenceService(platform, engine)
        await service.start(stack)
        yield Workshop(platform, service, clock, out)
