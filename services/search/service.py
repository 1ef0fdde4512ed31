"""The search service put together."""

import sys
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from fastapi import APIRouter

from contracts.topics import SEARCH_ASSEMBLIES, SEARCH_PARTS, SEARCH_PLANS, Queue
from services.kit.bus.consume import Consumer
from services.kit.bus.outcomes import Handler
from services.kit.platform import Platform
from services.search.assembler import Assembler
from services.search.parts import PartWorker
from services.search.planner import Planner
from services.search.processor import Processor

log = structlog.get_logger(__name__)

_PARTS_IN_HAND = 3
"""One that is computed, one that is read or written meanwhile, and room for a short search beside a long one."""
_WITHOUT_COMPUTING = 4
_SWITCH_S = 0.0005


class SearchService:
    """Plans searches, works their parts and puts them together; it computes one part at a time."""

    name = "search"
    routers: tuple[APIRouter, ...] = ()

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._consumers: list[Consumer] = []

    async def start(self, stack: AsyncExitStack) -> None:
        """Start the consumers, downstream first."""
        platform, settings = self._platform, self._platform.settings
        retention = timedelta(days=settings.retention_days)
        store, clock = platform.store, platform.clock
        planner = Planner(
            store, clock, stride=settings.search_parts_at_once, conjunction_days=settings.search_part_days
        )
        processor = Processor(stack)
        # The loop shares the interpreter with the processor: at Python's 5 ms a turn it would fall behind the bus.
        sys.setswitchinterval(_SWITCH_S)
        handlers: tuple[tuple[Queue, Handler, int], ...] = (
            (SEARCH_ASSEMBLIES, Assembler(store, clock, retention=retention).handle, _WITHOUT_COMPUTING),
            (SEARCH_PARTS, PartWorker(store, clock, processor, retention=retention).handle, _PARTS_IN_HAND),
            (SEARCH_PLANS, planner.handle, _WITHOUT_COMPUTING),
        )
        for queue, handler, concurrency in handlers:
            consumer = Consumer(
                platform.bus,
                platform.metrics,
                queue,
                handler,
                concurrency=concurrency,
                most_failures=settings.breaker_failures,
            )
            await consumer.start(stack, drain_s=settings.drain_s)
            self._consumers.append(consumer)
        platform.health.add(self.name, self._check)
        log.info("search.started", parts_at_once=settings.search_parts_at_once)

    async def _check(self) -> None:
        for consumer in self._consumers:
            await consumer.check()


def create(platform: Platform) -> SearchService:
    """Make the service."""
    return SearchService(platform)
