"""The inference service put together."""

from contextlib import AsyncExitStack

import structlog
from fastapi import APIRouter

from contracts.topics import IMAGE_QUERIES, MODEL_CHECKS
from services.inference.answering import RUN_BYTES, Answering
from services.inference.checking import ModelChecks
from services.inference.decoding import DecodePool
from services.inference.engine import Engine
from services.inference.isolation import Isolation
from services.inference.library import ModelLibrary
from services.inference.onnx_engine import OnnxEngine
from services.inference.pacing import Pace
from services.inference.preparing import Preparation
from services.inference.processors import count_processors
from services.inference.running import Runner
from services.inference.triage import Triage
from services.kit.bus.consume import Consumer
from services.kit.memory import keep_large_blocks
from services.kit.platform import Platform

log = structlog.get_logger(__name__)

_BATCHES_IN_HAND = 2
"""While one batch runs, the next is decoded."""
_GPU_RUN_BYTES = 64 * 1024 * 1024
"""A GPU is kept busy by all that is waiting at once."""


class InferenceService:
    """Answers image queries of its lanes, and checks uploaded models."""

    name = "inference"
    routers: tuple[APIRouter, ...] = ()

    def __init__(self, platform: Platform, engine: Engine | None = None) -> None:
        self._platform = platform
        self._engine = engine
        self._consumers: list[Consumer] = []

    async def start(self, stack: AsyncExitStack) -> None:
        """Start the threads, then the consumers; leaving `stack` ends them in the opposite order."""
        platform, settings = self._platform, self._platform.settings
        keep_large_blocks()
        processors = count_processors()
        threads = settings.inference_threads or 1
        decoders = settings.decode_threads or processors
        pool = DecodePool(decoders, max_pixels=settings.image_max_pixels)
        provider = settings.inference_provider
        library = ModelLibrary(
            platform.store.model_files,
            self._engine or OnnxEngine(threads, provider),
            memory_bytes=settings.model_memory_bytes,
        )
        isolation = Isolation(
            platform.store.model_files,
            platform.metrics,
            memory_bytes=settings.model_check_memory_bytes,
            limit_s=settings.model_check_s,
        )
        runner = Runner(platform.metrics, at_once=max(1, processors // threads))
        for part in (pool, library, isolation, runner):
            await part.start(stack)
        platform.catalog.on_change(library.forget)
        answering = Answering(
            triage=Triage(platform.catalog, platform.clock),
            library=library,
            isolation=isolation,
            preparation=Preparation(platform.store.images, pool, platform.metrics),
            runner=runner,
            clock=platform.clock,
            metrics=platform.metrics,
            batch_size=settings.batch_size,
            run_bytes=RUN_BYTES if provider == "cpu" else _GPU_RUN_BYTES,
        )
        await self._consume(answering, stack)
        platform.health.add(self.name, self._check)
        platform.health.add(f"{self.name} decoders", pool.check)
        log.info("inference.started", lanes=settings.lanes, provider=provider, threads=threads, decoders=decoders)

    async def _consume(self, answering: Answering, stack: AsyncExitStack) -> None:
        platform, settings = self._platform, self._platform.settings
        checks = ModelChecks(platform.store, platform.clock, settings)
        most = settings.breaker_failures
        self._consumers = [Consumer(platform.bus, platform.metrics, MODEL_CHECKS, checks.handle, most_failures=most)]
        processors = count_processors()
        paces = [Pace(least=processors, most=settings.batch_size) for _ in settings.lanes]
        self._consumers += [
            Consumer(
                platform.bus,
                platform.metrics,
                IMAGE_QUERIES,
                pace.of(answering.handle),
                lane=lane,
                batch=settings.batch_size,
                size=pace.size,
                concurrency=_BATCHES_IN_HAND,
                most_failures=most,
            )
            for lane, pace in zip(settings.lanes, paces, strict=True)
        ]
        for consumer in self._consumers:
            await consumer.start(stack, drain_s=settings.drain_s)

    async def _check(self) -> None:
        for consumer in self._consumers:
            await consumer.check()


def create(platform: Platform) -> InferenceService:
    """Make the service."""
    return InferenceService(platform)
