"""Records of data sources: reading uploads a few at a time, storing them, taking them back when the source is gone."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import structlog

from services.gateway.sources import missing
from services.kit.platform import Platform
from services.kit.store.ephemeris import DAY_MINUTES, EphemerisDay, EphemerisRecord, minutes_of, pack
from services.kit.store.records import DataProduct, SourceRecord

log = structlog.get_logger(__name__)

_READERS = 2
"""Uploads that are decoded at once: each may hold some hundred megabytes."""
_AT_ONCE = 1000
"""Data products in one call to the store, and addresses."""

R = TypeVar("R")


class SourceRecords:
    """The ephemeris and data products of every tenant's sources."""

    def __init__(self, platform: Platform) -> None:
        self._store = platform.store
        self._reading = asyncio.Semaphore(_READERS)

    async def read(self, reader: Callable[[bytes, SourceRecord], R], body: bytes, source: SourceRecord) -> R:
        """Return what `reader` makes of an upload, in a thread."""
        async with self._reading:
            return await asyncio.to_thread(reader, body, source)

    async def put_ephemeris(self, source: SourceRecord, records: Sequence[EphemerisRecord]) -> None:
        """Store records over those of the same minutes.

        Raises:
            Refused: source_not_found, the source was removed meanwhile; nothing is left of the records.
        """
        await self.put_days(source, await asyncio.to_thread(pack, records))

    async def put_days(self, source: SourceRecord, days: Sequence[EphemerisDay]) -> None:
        """Store days that are packed already, none twice.

        Raises:
            Refused: as `put_ephemeris`.
        """
        await self._store.ephemeris.put(source.tenant, source.identifier, days)
        if await self._is_gone(source):
            minutes = (day.day * DAY_MINUTES + minute for day in days for minute in minutes_of(day.present))
            for first, until in runs(minutes):
                await self._store.ephemeris.delete(source.tenant, source.identifier, first, until)
            raise missing(source.identifier)
        count = sum(map(len, days))
        log.info("gateway.ephemeris_stored", tenant=source.tenant, source=source.identifier, records=count)

    async def put_products(self, source: SourceRecord, products: Sequence[DataProduct]) -> None:
        """Store data products over those of the same addresses.

        Raises:
            Refused: as `put_ephemeris`.
        """
        for start in range(0, len(products), _AT_ONCE):
            await self._store.data_products.put(products[start : start + _AT_ONCE])
        if await self._is_gone(source):
            await self.delete_products(source, [product.url for product in products])
            raise missing(source.identifier)
        log.info("gateway.products_stored", tenant=source.tenant, source=source.identifier, records=len(products))

    async def delete_ephemeris(self, source: SourceRecord, first_minute: int, until_minute: int) -> int:
        """Delete the minutes from `first_minute` until before `until_minute`; return how many there were."""
        count = await self._store.ephemeris.delete(source.tenant, source.identifier, first_minute, until_minute)
        log.info("gateway.ephemeris_deleted", tenant=source.tenant, source=source.identifier, records=count)
        return count

    async def delete_products(self, source: SourceRecord, urls: Sequence[str]) -> int:
        """Delete the data products of these addresses; return how many there were."""
        count = 0
        for start in range(0, len(urls), _AT_ONCE):
            chosen = urls[start : start + _AT_ONCE]
            count += await self._store.data_products.delete(source.tenant, source.identifier, chosen)
        log.info("gateway.products_deleted", tenant=source.tenant, source=source.identifier, records=count)
        return count

    async def _is_gone(self, source: SourceRecord) -> bool:
        now = await self._store.sources.get(source.tenant, source.id)
        return now is None or now.removed_at is not None or now.created_at != source.created_at


def runs(minutes: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Yield the minutes as runs: the first of each and the one behind its last."""
    first = until = None
    for minute in sorted(minutes):
        if minute != until:
            if first is not None and until is not None:
                yield first, until
            first = minute
        until = minute + 1
    if first is not None and until is not None:
        yield first, until
