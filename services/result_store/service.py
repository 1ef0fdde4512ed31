"""The result store service: consumes facts and dead letters, sweeps."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from fastapi import APIRouter

from contracts.base import Payload
from contracts.events import Event
from contracts.topics import DEAD, FACTS
from contracts.v1.control import DetectorChanged, ModelChanged, ModelChecked
from contracts.v1.dead_letter import DeadLetterDropped, DeadLetterRequeued
from contracts.v1.query import QueryErased, QueryHeld
from services.kit.bus.codec import event_of
from services.kit.bus.consume import Consumer
from services.kit.bus.intake import Linger
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.crash import crash_at
from services.kit.errors import PlatformError, Unavailable
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument, QueryKey
from services.result_store.dead import as_dead, forget_letters, keep_letters, requeue
from services.result_store.facts import facts_of
from services.result_store.models import record_verdict
from services.result_store.publishing import SOURCE, wake_ups
from services.result_store.sweeping import Sweeper
from services.result_store.turns import Turns
from services.result_store.writing import Writer

log = structlog.get_logger(__name__)

_BATCH = 32
"""Messages. Twice as many took 14 MB more while thousands of questions waited, and were no faster."""
_AT_ONCE = 128
"""Facts; a batch of messages may hold thousands of answers, and each takes kilobytes while it is folded."""
_IN_HAND = 2
"""While one batch is being written, the next is read."""
_LINGER_S = 0.05
"""Nobody waits for the record of a question, and with its answer, or with other questions, it costs half as much."""
_QUESTIONS = ("image_query.submitted.", "search.submitted.")


class ResultStore:
    """Folds every fact into the store."""

    name = "result_store"
    routers: tuple[APIRouter, ...] = ()

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        retention = timedelta(days=platform.settings.retention_days)
        self._writer = Writer(platform.store, platform.metrics, retention=retention)
        self.sweeper = Sweeper(platform, self._writer)
        self._turns = Turns()
        self._requeueing = asyncio.Lock()  # the same word twice, in two batches, is acted on once

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin to consume and to sweep."""
        platform = self._platform
        linger = Linger(
            _LINGER_S,
            urgent=lambda message: not message.routing_key.startswith(_QUESTIONS),
            meanwhile=self._writer.ahead.begin,
        )
        bus, metrics, most = platform.bus, platform.metrics, platform.settings.breaker_failures
        facts = Consumer(
            bus,
            metrics,
            FACTS,
            self._on_facts,
            batch=_BATCH,
            concurrency=_IN_HAND,
            linger=linger,
            most_failures=most,
        )
        dead = Consumer(bus, metrics, DEAD, self._on_dead, batch=_BATCH, decoder=as_dead, most_failures=most)
        for name, consumer in (("facts", facts), ("dead letters", dead)):
            await consumer.start(stack, drain_s=platform.settings.drain_s)
            platform.health.add(f"result_store {name}", consumer.check)
        sweeping = asyncio.create_task(self._sweep_loop(), name="sweeper")

        async def check() -> None:
            if sweeping.done():
                raise Unavailable("the sweeper has stopped; see the log and restart the service")

        platform.health.add("result_store sweeper", check)

        async def stop() -> None:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

        stack.push_async_callback(stop)

    async def _on_facts(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        facts = [fact for work in batch for fact in facts_of(work.event)]
        async with self._turns.of({fact.key for fact in facts}):
            events: list[Event[Payload]] = []
            for first in range(0, len(facts), _AT_ONCE):
                events += self._tell(await self._writer.write(facts[first : first + _AT_ONCE]))
            crash_at("result_store.written")
            for work in batch:
                events += await self._on_control(work.event)
        return [Done(events), *[Done()] * (len(batch) - 1)]

    async def _on_control(self, event: Event[Payload]) -> list[Event[Payload]]:
        """Act on what a fact means beyond its query's document."""
        platform, payload = self._platform, event.payload
        if isinstance(payload, ModelChecked):
            record = await record_verdict(platform.store, event.tenant, payload)
            if record is None:
                return []
            changed = ModelChanged(model_id=record.id, revision=record.revision)
            return [event_of(changed, source=SOURCE, tenant=event.tenant, at=platform.clock.now())]
        if isinstance(payload, DetectorChanged):
            await self._release(event.tenant, payload.detector_id)
        elif isinstance(payload, QueryErased):
            await forget_letters(QueryKey(event.tenant, payload.query_id), platform.store)
        elif isinstance(payload, DeadLetterRequeued):
            async with self._requeueing:
                await requeue(payload.letter_id, platform.store, platform.bus)
        elif isinstance(payload, DeadLetterDropped):
            await platform.store.dead_letters.delete(payload.letter_id)
            log.info("dead_letter.dropped", id=payload.letter_id, by=payload.dropped_by)
        elif isinstance(payload, QueryHeld):
            # The binding may have come between the worker's look at the detector and this fact.
            document = (await platform.store.queries.load([QueryKey(event.tenant, payload.query_id)])).values()
            for held in document:
                if held.image_request is not None and held.held is not None:
                    await self._release(event.tenant, held.image_request.detector_id)
        return []

    async def _release(self, tenant: str, detector_id: str) -> None:
        detector = await self._platform.store.detectors.get(tenant, detector_id)
        if detector is None or detector.model_id is None or detector.removed_at is not None:
            return
        model = await self._platform.store.models.get(tenant, detector.model_id)
        if model is not None and model.status == "ready" and model.removed_at is None:
            await self.sweeper.release(tenant, detector_id)

    async def _on_dead(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        platform = self._platform
        facts = await keep_letters([work.message for work in batch], platform.store, platform.clock)
        events = self._tell(await self._writer.write(facts))
        return [Done(events), *[Done()] * (len(batch) - 1)]

    def _tell(self, documents: Sequence[QueryDocument]) -> list[Event[Payload]]:
        for document in documents:
            if document.state == "answered" and len(document.answers) == 1 and document.answer is not None:
                seconds = (self._platform.clock.now() - document.created_at).total_seconds()
                self._platform.metrics.answer_seconds.observe(max(0.0, seconds))
        return wake_ups(documents, self._platform.clock.now())

    async def _sweep_loop(self) -> None:
        while True:
            await asyncio.sleep(self._platform.settings.sweep_interval_s)
            try:
                await self.sweeper.sweep()
            except Unavailable as error:
                log.warning("sweeper.waits", error=str(error))
            except PlatformError:
                log.exception("sweeper.failed")
            except Exception:
                log.exception("sweeper.crashed")
                raise


def create(platform: Platform) -> ResultStore:
    """Return the result store service."""
    return ResultStore(platform)
