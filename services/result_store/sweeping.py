"""The sweeper: mends queries that fell out of the flow, ends those past their time, removes what is outdated.

A stored, unanswered query that later ones of its lane have overtaken is published again: that repairs a half-accepted
fan-out, a purged queue, a lost binding. After some tries it fails as `lost`, so that nobody waits for ever.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from contracts.kinds import KINDS
from contracts.v1.query import QueryExpired, QueryFailed
from services.kit.errors import PlatformError
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument
from services.result_store.facts import Fact, Queued, Released, Republished
from services.result_store.publishing import publish_again, publish_stored
from services.result_store.writing import Writer

log = structlog.get_logger(__name__)

_AT_ONCE = 200
_PAGES = 25
"""Of overtaken queries in one pass, so that the other steps get their turn."""


class Sweeper:
    """One pass at a time; any number of processes may sweep, a swap decides who wins."""

    def __init__(self, platform: Platform, writer: Writer) -> None:
        self._bus = platform.bus
        self._store = platform.store
        self._clock = platform.clock
        self._metrics = platform.metrics
        self._writer = writer
        self._after = timedelta(seconds=platform.settings.sweep_after_s)
        self._tries = platform.settings.sweep_tries
        self._letters_kept = timedelta(days=platform.settings.dead_letter_days)

    async def sweep(self) -> None:
        """Do one pass. A step that fails does not keep the others from their work.

        Raises:
            Unavailable: bus or store is away; what is left is done in the next pass.
            PlatformError: a document cannot be read; it is in the way of its own step only.
        """
        now = self._clock.now()
        failures: list[PlatformError] = []
        for step in (self._expire, self._mend, self._purge, self._count_letters):
            try:
                await step(now)
            except PlatformError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def release(self, tenant: str, detector_id: str) -> None:
        """Publish the queries again that were held for a detector that can answer now."""
        while held := await self._store.queries.held(tenant, detector_id, _AT_ONCE):
            now = self._clock.now()
            await publish_again(self._bus, held, now)
            facts = [Fact(d.key, f"{d.id}.released", now, Released(now), d.lane) for d in held]
            await publish_stored(self._bus, await self._writer.write(facts), now)
            self._count("released", len(held))

    async def _expire(self, now: datetime) -> None:
        await self._end(await self._store.queries.past_expiry(now, _AT_ONCE), "expired")

    async def _mend(self, now: datetime) -> None:
        backlog: dict[tuple[str, str], bool] = {}
        for _ in range(_PAGES):
            overtaken = await self._store.queries.overtaken(now - self._after, _AT_ONCE)
            swept = [document for document in overtaken if document.sweeps]
            for kind, lane in {(document.kind, document.lane) for document in swept} - backlog.keys():
                backlog[kind, lane] = await self._has_backlog(kind, lane)
            # Published again it lies behind younger ones, so that their answers no longer show that it is lost.
            queued = [document for document in swept if backlog[document.kind, document.lane]]
            waits = {document.key for document in queued}
            missing = [document for document in overtaken if document.key not in waits]
            await self._writer.write([Fact(d.key, f"{d.id}.queued", now, Queued(now), d.lane) for d in queued])
            await self._end([document for document in missing if document.sweeps >= self._tries], "lost")
            await self._republish([document for document in missing if document.sweeps < self._tries])
            if len(overtaken) < _AT_ONCE:
                return

    async def _has_backlog(self, kind: str, lane: str) -> bool:
        queues = [queue for each in KINDS if each.name == kind for queue in each.work]
        depths = await asyncio.gather(*(self._bus.depth(queue, lane=lane) for queue in queues))
        return any(depth.ready > 0 for depth in depths)

    async def _purge(self, now: datetime) -> None:
        await self._store.queries.purge(now)
        await self._store.claims.purge(now)
        await self._store.images.purge(now)
        await self._store.dead_letters.purge(now - self._letters_kept)
        await self._store.search_rows.purge(now)

    async def _count_letters(self, now: datetime) -> None:
        del now
        counts = await self._store.dead_letters.counts()
        self._metrics.letters_kept.clear()
        for reason, letters in counts.items():
            self._metrics.letters_kept.labels(reason).set(letters)

    async def _end(self, documents: Sequence[QueryDocument], outcome: str) -> None:
        now = self._clock.now()
        facts = []
        for document in documents:
            what: QueryExpired | QueryFailed = QueryExpired(query_id=document.id, expired_at=now)
            if outcome == "lost":
                detail = f"published {document.sweeps + 1} times without an answer while later queries were answered"
                what = QueryFailed(query_id=document.id, reason="lost", detail=detail, failed_at=now)
            facts.append(Fact(document.key, f"{document.id}.{outcome}", now, what, document.lane))
        ended = await self._writer.write(facts)
        await publish_stored(self._bus, ended, now)
        self._count(outcome, len(ended))

    async def _republish(self, documents: Sequence[QueryDocument]) -> None:
        now = self._clock.now()
        await publish_again(self._bus, documents, now)
        facts = [Fact(d.key, f"{d.id}.swept{d.sweeps}", now, Republished(now, d.sweeps), d.lane) for d in documents]
        self._count("republished", len(await self._writer.write(facts)))

    def _count(self, outcome: str, count: int) -> None:
        if count:
            self._metrics.swept.labels(outcome).inc(count)
            log.warning("sweeper.swept", outcome=outcome, queries=count)
