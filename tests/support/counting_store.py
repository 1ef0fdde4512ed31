"""A store that counts how often query documents are read; everything else goes to the store behind it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from services.kit.errors import Unavailable
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.port import (
    Blobs,
    Claims,
    Cursor,
    DeadLetters,
    Page,
    Queries,
    QueryFilter,
    Records,
    SearchRows,
    Store,
    Swap,
)
from services.kit.store.records import DetectorRecord, EntryRecord, ModelRecord, SourceRecord, TokenRecord
from services.kit.store.source_port import DataProducts, Ephemeris


class CountingQueries:
    """The Queries port by delegation; `reads` counts the reads of a single document by its ID."""

    def __init__(self, inner: Queries) -> None:
        self._inner = inner
        self.reads: Counter[str] = Counter()
        self.away = False

    async def load(self, keys: Sequence[QueryKey]) -> dict[QueryKey, QueryDocument]:
        """Count, then delegate. The shared re-check of a process reads many at once and is nobody's own read."""
        if self.away:
            raise Unavailable("the store is away")
        if len(keys) == 1:
            self.reads[keys[0].id] += 1
        return await self._inner.load(keys)

    async def swap(self, swaps: Sequence[Swap]) -> frozenset[QueryKey]:
        """Delegate."""
        return await self._inner.swap(swaps)

    async def page(
        self, tenant: str, query_filter: QueryFilter, cursor: Cursor | None, limit: int
    ) -> Page[QueryDocument]:
        """Delegate."""
        return await self._inner.page(tenant, query_filter, cursor, limit)

    async def count(self, tenant: str, query_filter: QueryFilter, most: int) -> int:
        """Delegate."""
        return await self._inner.count(tenant, query_filter, most)

    async def overtaken(self, older_than: datetime, limit: int) -> Sequence[QueryDocument]:
        """Delegate."""
        return await self._inner.overtaken(older_than, limit)

    async def past_expiry(self, now: datetime, limit: int) -> Sequence[QueryDocument]:
        """Delegate."""
        return await self._inner.past_expiry(now, limit)

    async def held(self, tenant: str, detector_id: str, limit: int) -> Sequence[QueryDocument]:
        """Delegate."""
        return await self._inner.held(tenant, detector_id, limit)

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        """Delegate."""
        return await self._inner.uses_image(tenant, sha256, besides=besides)

    async def purge(self, now: datetime) -> int:
        """Delegate."""
        return await self._inner.purge(now)


class CountingStore:
    """The Store port by delegation; enter the store behind it instead of this one."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.queries = CountingQueries(inner.queries)
        self.claims: Claims = inner.claims
        self.images: Blobs = inner.images
        self.model_files: Blobs = inner.model_files
        self.search_rows: SearchRows = inner.search_rows
        self.detectors: Records[DetectorRecord] = inner.detectors
        self.models: Records[ModelRecord] = inner.models
        self.tokens: Records[TokenRecord] = inner.tokens
        self.entries: Records[EntryRecord] = inner.entries
        self.sources: Records[SourceRecord] = inner.sources
        self.ephemeris: Ephemeris = inner.ephemeris
        self.data_products: DataProducts = inner.data_products
        self.dead_letters: DeadLetters = inner.dead_letters

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def check(self) -> None:
        """Delegate."""
        await self._inner.check()
