"""The assembler: puts the parts of a search together and says that it is complete."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from contracts.base import Payload
from contracts.events import Event
from contracts.http.aurorax import ConjunctionQuery
from contracts.v1.search import SearchAssemble, SearchCompleted
from services.kit.aurorax import read_query
from services.kit.bus.outcomes import Done, Outcome, Retry, Work
from services.kit.clock import Clock
from services.kit.crash import crash_at
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed, RecordedPart, Store
from services.search import facts
from services.search.joining import joined_parts
from services.search.planner import rows_expire_at
from services.search.spans import cut

log = structlog.get_logger(__name__)

_WRITES_AT_ONCE = 16


class Assembler:
    """Handles searches whose parts are all recorded."""

    def __init__(self, store: Store, clock: Clock, *, retention: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention

    async def handle(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        """Assemble each. Idempotent."""
        return [await self._handle(work.event, work.attempt) for work in batch]

    async def _handle(self, event: Event[Payload], attempt: int) -> Outcome:
        asked = event.payload
        if not isinstance(asked, SearchAssemble):
            return Done(proves=False)
        key = QueryKey(event.tenant, asked.query_id)
        document = (await self._store.queries.load([key])).get(key)
        if document is not None and document.ended:
            log.info("search.stopped", query_id=asked.query_id, state=document.state)
            return Done(proves=False)
        recorded = await self._store.search_rows.recorded(key)
        missing = [part for part in range(1, asked.parts + 1) if part not in recorded]
        if missing:
            return Retry("parts_missing", f"{len(missing)} of {asked.parts} parts are not stored")
        rows, size_bytes = await self._whole(key, asked, recorded)
        crash_at("search.assemblies.stored")
        completed = SearchCompleted(
            query_id=asked.query_id,
            parts=asked.parts,
            rows=rows,
            size_bytes=size_bytes,
            completed_at=self._clock.now(),
            attempt=attempt,
        )
        log.info("search.completed", query_id=asked.query_id, parts=asked.parts, rows=rows)
        return Done([facts.completed(event, completed)])

    async def _whole(
        self, key: QueryKey, asked: SearchAssemble, recorded: Mapping[int, RecordedPart]
    ) -> tuple[int, int]:
        """Return rows and bytes of the result. What need not be joined stays where it is: in its parts."""
        query = read_query(asked.search_type, json.loads(asked.query_json))
        if not isinstance(query, ConjunctionQuery):
            parts = [recorded[number] for number in range(1, asked.parts + 1)]
            return sum(part.rows for part in parts), sum(part.size_bytes for part in parts)
        spans = cut(query.start, query.end, asked.days)
        expires_at = rows_expire_at(asked.submitted_at, asked.retain_until, self._retention)
        rows = size_bytes = 0
        done: dict[int, Packed] = {}
        async for part, packed in joined_parts(self._store, key, query, spans, recorded):
            done[-part] = packed
            if len(done) == _WRITES_AT_ONCE:
                await self._write(key, done, expires_at)
                done = {}
            rows += packed.rows
            size_bytes += packed.size_bytes
        await self._write(key, done, expires_at)
        return rows, size_bytes

    async def _write(self, key: QueryKey, done: Mapping[int, Packed], expires_at: datetime) -> None:
        puts = (self._store.search_rows.put(key, part, packed, expires_at) for part, packed in done.items())
        await asyncio.gather(*puts)
