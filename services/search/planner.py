"""The planner: cuts a search into parts and keeps `stride` chains of them going.

After part N comes part N + stride. So at most `stride` parts of a search wait in the queue or are worked, and a short
search behind a long one is not kept waiting by it. What is recorded is not asked for again: a search that is
submitted once more, by the sweeper for one, goes on where it stopped.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog

from contracts.base import Payload
from contracts.events import Event
from contracts.v1.search import SearchAssemble, SearchPart, SearchPartDone, SearchSubmitted, SearchType
from services.kit.aurorax import read_query
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.clock import Clock
from services.kit.errors import Refused
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.port import Store
from services.search import facts
from services.search.spans import Span, cut, days_per_part

log = structlog.get_logger(__name__)


class Planner:
    """Handles searches, and parts that are done."""

    def __init__(self, store: Store, clock: Clock, *, stride: int, conjunction_days: int) -> None:
        self._store = store
        self._clock = clock
        self._stride = stride
        self._conjunction_days = conjunction_days

    async def handle(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        """Return for each message the parts that are due now. Idempotent."""
        return [await self._handle(work.event) for work in batch]

    async def _handle(self, event: Event[Payload]) -> Outcome:
        payload = event.payload
        if isinstance(payload, SearchSubmitted):
            return await self._begin(event, payload)
        if isinstance(payload, SearchPartDone):
            return await self._go_on(event, payload.asked)
        return Done(proves=False)

    async def _begin(self, event: Event[Payload], search: SearchSubmitted) -> Outcome:
        now = self._clock.now()
        key = QueryKey(event.tenant, search.query_id)
        document = await self._document(key)
        if document is not None and document.ended:
            return Done(proves=False)
        if search.expires_at is not None and search.expires_at <= now:
            return Done([facts.expired(event, search.query_id, at=now)], proves=False)
        days = days_per_part(search.search_type, self._conjunction_days)
        try:
            spans = _spans(search.search_type, search.query_json, days)
        except Refused as error:
            return Done([facts.failed(event, search.query_id, "query_invalid", str(error), at=now)], proves=False)
        recorded = await self._store.search_rows.recorded(key)
        if document is not None and document.search is not None and document.search.parts != len(spans):
            await self._store.search_rows.delete(key)  # planned with another setting: those parts are no parts now
            recorded = {}
        parts = [_part(search, number, spans, days=days, stride=self._stride) for number in range(1, len(spans) + 1)]
        chains = (parts[first :: self._stride] for first in range(self._stride))
        due = [part for chain in chains if (part := _first(chain, recorded)) is not None]
        log.info("search.planned", query_id=search.query_id, type=search.search_type, parts=len(parts), due=len(due))
        return Done([facts.part(event, part, at=now) for part in due]) if due else self._assemble(event, parts[0])

    async def _go_on(self, event: Event[Payload], asked: SearchPart) -> Outcome:
        key = QueryKey(event.tenant, asked.query_id)
        document = await self._document(key)
        if document is not None and document.ended:
            log.info("search.stopped", query_id=asked.query_id, state=document.state, part=asked.part)
            return Done(proves=False)
        following = await self._following(key, asked)
        if following is None:  # this chain is at its end; the last one to get there sees that all are
            recorded = await self._store.search_rows.recorded(key)
            whole = all(number in recorded for number in range(1, asked.parts + 1))
            return self._assemble(event, asked) if whole else Done()
        spans = _spans(asked.search_type, asked.query_json, asked.days)
        part = _part(asked, following, spans, days=asked.days, stride=asked.stride)
        return Done([facts.part(event, part, at=self._clock.now())])

    async def _following(self, key: QueryKey, asked: SearchPart) -> int | None:
        """Return the next part of the chain that is not recorded: nearly always the one after this."""
        chain = range(asked.part + asked.stride, asked.parts + 1, asked.stride)
        for number in chain:
            if not await self._store.search_rows.recorded(key, [number]):
                return number
        return None

    def _assemble(self, event: Event[Payload], part: SearchPart) -> Outcome:
        whole = SearchAssemble(
            query_id=part.query_id,
            search_type=part.search_type,
            query_json=part.query_json,
            submitted_at=part.submitted_at,
            retain_until=part.retain_until,
            parts=part.parts,
            days=part.days,
        )
        return Done([facts.assemble(event, whole, at=self._clock.now())])

    async def _document(self, key: QueryKey) -> QueryDocument | None:
        return (await self._store.queries.load([key])).get(key)


def _first(chain: Sequence[SearchPart], recorded: Collection[int]) -> SearchPart | None:
    return next((part for part in chain if part.part not in recorded), None)


def _spans(search_type: SearchType, query_json: str, days: int) -> Sequence[Span]:
    """Return the parts' times.

    Raises:
        Refused: the query cannot be read, as one that was published past the doors.
    """
    query = read_query(search_type, json.loads(query_json))
    return cut(query.start, query.end, days)


def _part(
    search: SearchSubmitted | SearchPart, number: int, spans: Sequence[Span], *, days: int, stride: int
) -> SearchPart:
    return SearchPart(
        query_id=search.query_id,
        search_type=search.search_type,
        query_json=search.query_json,
        submitted_at=search.submitted_at,
        retain_until=search.retain_until,
        part=number,
        parts=len(spans),
        stride=stride,
        days=days,
        start=spans[number - 1].start,
        end=spans[number - 1].end,
    )


def rows_expire_at(submitted_at: datetime, retain_until: datetime | None, retention: timedelta) -> datetime:
    """Return when the rows of a search may be removed: with its record."""
    return retain_until or submitted_at + retention
