"""The part worker: works a span of a search's time and stores its rows."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import timedelta
from weakref import WeakValueDictionary

import structlog

from contracts.base import Payload
from contracts.events import Event
from contracts.http.aurorax import ConjunctionQuery, DataProductQuery
from contracts.v1.search import SearchCompleted, SearchPart, SearchPartDone
from services.kit.aurorax import read_query
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.clock import Clock
from services.kit.crash import crash_at
from services.kit.errors import Refused
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed, RecordedPart, Store
from services.search import facts
from services.search.conjunctions import find_conjunctions
from services.search.data_products import find_products
from services.search.ephemeris import find_ephemeris
from services.search.planner import rows_expire_at
from services.search.processor import Processor
from services.search.spans import Span

log = structlog.get_logger(__name__)


class PartWorker:
    """Handles parts: a process has some in hand, and computes one at a time.

    After a crash a part may be there twice: its own message comes back, and so does the one that made the planner ask
    for it. If each copy led to the next part, the rest of the chain would be worked twice. So a copy that comes for
    the first time says nothing where another is at work: whoever stored the part has a message of its own to answer.
    """

    def __init__(self, store: Store, clock: Clock, processor: Processor, *, retention: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._processor = processor
        self._retention = retention
        self._in_hand: WeakValueDictionary[tuple[QueryKey, int], asyncio.Lock] = WeakValueDictionary()

    async def handle(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        """Work each part. Idempotent: the same part gives the same rows and the same fact.

        What comes out of a search's only part is its result, and is said to be: nothing is to be joined, so that a
        short search does not wait in two more queues, behind long ones.
        """
        return [await self._handle(work.event, work.attempt) for work in batch]

    async def _handle(self, event: Event[Payload], attempt: int) -> Outcome:
        part = event.payload
        if not isinstance(part, SearchPart):
            return Done(proves=False)
        key = QueryKey(event.tenant, part.query_id)
        document = (await self._store.queries.load([key])).get(key)
        if document is not None and document.ended:
            log.info("search.stopped", query_id=part.query_id, state=document.state, part=part.part)
            return Done(proves=False)
        if document is not None and document.search is not None and part.part in document.search.done:
            return Done(proves=False)  # a repeat: the planner has heard of it and gone on
        copy = self._in_hand.setdefault((key, part.part), asyncio.Lock())
        if copy.locked() and attempt == 1:
            return Done(proves=False)
        async with copy:
            return await self._answer(event, key, part, attempt)

    async def _answer(self, event: Event[Payload], key: QueryKey, part: SearchPart, attempt: int) -> Outcome:
        crash_at("search.parts.working")
        started = time.monotonic()
        try:
            stored = await self._recorded(key, part)
            if stored is None:
                packed = await self._work(key, part)
                if attempt == 1 and part.parts > 1 and await self._recorded(key, part):
                    return Done()  # a copy in another process was quicker
                stored = await self._put(key, part, packed)
        except Refused as error:
            now = self._clock.now()
            return Done([facts.failed(event, part.query_id, error.code, str(error), at=now)], proves=False)
        if part.parts == 1:
            return Done([self._completed(event, part, stored, attempt)])
        done = SearchPartDone(
            query_id=part.query_id,
            asked=part,
            rows=stored.rows,
            size_bytes=stored.size_bytes,
            worked_s=time.monotonic() - started,
            done_at=self._clock.now(),
            attempt=attempt,
        )
        log.debug("search.part_done", query_id=part.query_id, part=part.part, parts=part.parts, rows=stored.rows)
        return Done([facts.part_done(event, done)])

    def _completed(self, event: Event[Payload], part: SearchPart, stored: RecordedPart, attempt: int) -> Event[Payload]:
        completed = SearchCompleted(
            query_id=part.query_id,
            parts=1,
            rows=stored.rows,
            size_bytes=stored.size_bytes,
            completed_at=self._clock.now(),
            attempt=attempt,
        )
        log.info("search.completed", query_id=part.query_id, parts=1, rows=stored.rows)
        return facts.completed(event, completed)

    async def _recorded(self, key: QueryKey, part: SearchPart) -> RecordedPart | None:
        number = _number(part)
        return (await self._store.search_rows.recorded(key, [number])).get(number)

    async def _put(self, key: QueryKey, part: SearchPart, packed: Packed) -> RecordedPart:
        expires_at = rows_expire_at(part.submitted_at, part.retain_until, self._retention)
        await self._store.search_rows.put(key, _number(part), packed, expires_at)
        crash_at("search.parts.stored")
        log.debug("search.part_stored", query_id=part.query_id, part=part.part, rows=packed.rows)
        return RecordedPart(len(packed.chunks), packed.rows, packed.size_bytes)

    async def _work(self, key: QueryKey, part: SearchPart) -> Packed:
        query = read_query(part.search_type, json.loads(part.query_json))
        compute = self._processor.of(short=part.parts == 1)
        span = Span(part.start, part.end)
        if isinstance(query, ConjunctionQuery):
            whole = part.parts == 1
            return await find_conjunctions(self._store, compute, key.tenant, query, span, whole=whole)
        if isinstance(query, DataProductQuery):
            return await find_products(self._store, key.tenant, query, span)
        return await find_ephemeris(self._store, compute, key.tenant, query, span)


def _number(part: SearchPart) -> int:
    """Return where the rows stand: those of an only part where joined ones would."""
    return -1 if part.parts == 1 else part.part
