"""Query documents in MongoDB."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from pymongo import InsertOne, ReplaceOne

from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.layout import lift
from services.kit.store.micros import to_micros
from services.kit.store.mongo.collection import Collection, Operation, Sort
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.expiry import purge
from services.kit.store.mongo.gathering import Gathering
from services.kit.store.mongo.query_rows import conditions, index_of
from services.kit.store.mongo.rows import before, from_row, key_of, to_row
from services.kit.store.mongo.swaps import UnsettledSwaps
from services.kit.store.paging import cut_page
from services.kit.store.port import Cursor, Page, QueryFilter, Swap

_NEWEST_FIRST: Sort = (("index.created_us", -1), ("id", -1))
_OLDEST_FIRST: Sort = (("index.created_us", 1), ("id", 1))
_MODEL = {"index": 0, "expires_on": 0, "token": 0}
_READ_AT_ONCE = 100


class MongoQueries:
    """The Queries port on one collection."""

    def __init__(self, collection: Collection, clock: Clock) -> None:
        self._collection = collection
        self._clock = clock
        self._unsettled = UnsettledSwaps()
        self._lookups = Gathering(self._rows_of, most=_READ_AT_ONCE)

    async def load(self, keys: Sequence[QueryKey]) -> dict[QueryKey, QueryDocument]:
        """See `port.Queries.load`."""
        if len(keys) == 1:
            rows = [await self._lookups.do(key_of(*keys[0]))]
        else:
            rows = await self._rows_of(list({key_of(*key) for key in keys}))
        return {document.key: document for document in (_read(row) for row in rows if row is not None)}

    async def swap(self, swaps: Sequence[Swap]) -> frozenset[QueryKey]:
        """See `port.Queries.swap`.

        A batch's token, written into its rows, tells afterwards which of them are its own. A swap that this store
        repeats after Unknown carries its first token again, so that it is no conflict when it had taken effect. When
        somebody else has swapped a row further before it is looked at, a write that took effect may be reported as a
        conflict: folding again finds it in there.
        """
        if not swaps:
            return frozenset()
        tokens = self._unsettled.tokens(swaps)
        try:
            outcome = await self._collection.write([_operation(*pair) for pair in zip(swaps, tokens, strict=True)])
            missed = [swaps[n].document.key for n in outcome.duplicates]
            replacements = [swap.document.key for swap in swaps if swap.expected]
            if outcome.matched < len(replacements):  # how many is all that the server says of them
                missed += replacements
            stored = await self._tokens(missed) if missed else {}
        except Unavailable:
            self._unsettled.remember(swaps, tokens)
            raise
        self._unsettled.forget(swaps)
        own = {swap.document.key: token for swap, token in zip(swaps, tokens, strict=True)}
        return frozenset(key for key in missed if stored.get(key_of(*key)) != own[key])

    async def page(
        self, tenant: str, query_filter: QueryFilter, cursor: Cursor | None, limit: int
    ) -> Page[QueryDocument]:
        """See `port.Queries.page`."""
        wanted = self._listed(tenant, query_filter)
        behind = before(cursor, "index.created_us")
        query = {"$and": [wanted, behind]} if behind else wanted
        documents = await self._find(query, _NEWEST_FIRST, limit + 1)
        return cut_page(documents, limit, lambda document: Cursor(document.created_at, document.id))

    async def count(self, tenant: str, query_filter: QueryFilter, most: int) -> int:
        """See `port.Queries.count`."""
        counted = await self._collection.aggregate(
            [{"$match": self._listed(tenant, query_filter)}, {"$limit": most}, {"$count": "number"}]
        )
        return int(counted[0]["number"]) if counted else 0

    async def overtaken(self, older_than: datetime, limit: int) -> Sequence[QueryDocument]:
        """See `port.Queries.overtaken`."""
        updated = {"index.updated_us": {"$lte": to_micros(older_than)}}
        lane = {"tenant": "$tenant", "kind": "$kind", "lane": "$lane"}
        lanes = await self._collection.aggregate(
            [{"$match": {"index.waiting": True, **updated}}, {"$group": {"_id": lane}}]
        )
        found = await asyncio.gather(*(self._overtaken_in(lane["_id"], updated, limit) for lane in lanes))
        documents = sorted(chain.from_iterable(found), key=lambda document: (document.created_at, document.id))
        return documents[:limit]

    async def past_expiry(self, now: datetime, limit: int) -> Sequence[QueryDocument]:
        """See `port.Queries.past_expiry`."""
        return await self._find({"index.due_us": {"$lte": to_micros(now)}}, _OLDEST_FIRST, limit)

    async def held(self, tenant: str, detector_id: str, limit: int) -> Sequence[QueryDocument]:
        """See `port.Queries.held`."""
        query = {"tenant": {"$eq": tenant}, "index.held_for": {"$eq": detector_id}}
        return await self._find(query, _OLDEST_FIRST, limit)

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        """See `port.Queries.uses_image`."""
        query = {"tenant": {"$eq": tenant}, "index.image_sha256": {"$eq": sha256}, "id": {"$nin": list(besides)}}
        return await self._collection.find_one(query, fields={"_id": 1}) is not None

    async def purge(self, now: datetime) -> int:
        """See `port.Queries.purge`."""
        return await purge(self._collection, now)

    def _listed(self, tenant: str, query_filter: QueryFilter) -> Row:
        return {
            "tenant": {"$eq": tenant},
            "index.listed": True,
            "index.expires_us": {"$gt": to_micros(self._clock.now())},
            **conditions(query_filter),
        }

    async def _rows_of(self, names: Sequence[str]) -> list[Row | None]:
        """Return the row of each name, in one read."""
        if not names:
            return []
        unique = list(dict.fromkeys(names))
        rows = await self._collection.find({"_id": {"$in": unique}}, fields=_MODEL, limit=len(unique))
        found = {row["_id"]: row for row in rows}
        return [found.get(name) for name in names]

    async def _tokens(self, keys: Sequence[QueryKey]) -> dict[str, int]:
        names = [key_of(*key) for key in keys]
        rows = await self._collection.find({"_id": {"$in": names}}, fields={"token": 1}, limit=len(names))
        return {row["_id"]: row["token"] for row in rows}

    async def _overtaken_in(self, lane: Row, updated: Row, limit: int) -> list[QueryDocument]:
        within = {name: {"$eq": value} for name, value in lane.items()}
        latest = await self._collection.find(
            {**within, "index.passed": True}, fields={"index.created_us": 1}, sort=[("index.created_us", -1)], limit=1
        )
        if not latest:
            return []
        early = {"index.created_us": {"$lt": latest[0]["index"]["created_us"]}}
        return await self._find({**within, "index.waiting": True, **early, **updated}, _OLDEST_FIRST, limit)

    async def _find(self, query: Mapping[str, Any], sort: Sort, limit: int) -> list[QueryDocument]:
        rows = await self._collection.find(query, fields=_MODEL, sort=sort, limit=limit)
        return [_read(row) for row in rows]


def _operation(swap: Swap, token: int) -> Operation:
    document = swap.document
    key = key_of(*document.key)
    row = to_row(key, document, index_of(document), document.expires_at, token=token)
    if swap.expected == 0:
        return InsertOne(row)
    return ReplaceOne({"_id": {"$eq": key}, "revision": {"$eq": swap.expected}}, row)


def _read(row: Row) -> QueryDocument:
    return lift(from_row(row))
