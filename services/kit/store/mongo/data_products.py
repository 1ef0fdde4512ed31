"""Data products in MongoDB."""

from collections.abc import Collection, Sequence
from datetime import datetime

from pymongo import ReplaceOne

from services.kit.errors import Conflict
from services.kit.store.ephemeris import Extent
from services.kit.store.micros import to_micros
from services.kit.store.mongo import collection as mongo
from services.kit.store.mongo.driver import Row
from services.kit.store.paging import cut_products
from services.kit.store.records import DataProduct
from services.kit.store.source_port import ProductCursor, ProductPage

_DAY_US = 86_400_000_000
_IN_ORDER = (("start_us", 1), ("source", 1), ("url", 1))


class MongoDataProducts:
    """The DataProducts port on one collection; the key is a unique index, since an address may hold anything."""

    def __init__(self, collection: mongo.Collection) -> None:
        self._collection = collection

    async def put(self, products: Sequence[DataProduct]) -> None:
        """See `source_port.DataProducts.put`."""
        if not products:
            return
        rows = [_row(product) for product in products]
        operations = [ReplaceOne(_key(row["tenant"], row["source"], row["url"]), row, upsert=True) for row in rows]
        outcome = await self._collection.write(operations)
        if outcome.duplicates:  # made by somebody else between the server's look and its insert; now they are there
            outcome = await self._collection.write([operations[place] for place in sorted(outcome.duplicates)])
        if outcome.duplicates:
            raise Conflict("somebody else stores and removes the same data products at the same time")

    async def page(
        self,
        tenant: str,
        sources: Collection[int],
        first: datetime,
        last: datetime,
        *,
        types: Collection[str] = (),
        cursor: ProductCursor | None = None,
        limit: int,
    ) -> ProductPage:
        """See `source_port.DataProducts.page`."""
        query: Row = {
            "tenant": {"$eq": tenant},
            "source": {"$in": list(sources)},
            "start_us": {"$gte": to_micros(first if cursor is None else max(first, cursor.start))},
            "end_us": {"$lte": to_micros(last)},
        }
        if types:
            query["type"] = {"$in": list(types)}
        if cursor:
            start_us = to_micros(cursor.start)
            query["$or"] = [
                {"start_us": {"$gt": start_us}},
                {"start_us": start_us, "source": {"$gt": cursor.source}},
                {"start_us": start_us, "source": cursor.source, "url": {"$gt": cursor.url}},
            ]
        rows = await self._collection.find(query, sort=_IN_ORDER, limit=limit + 1)
        return cut_products([DataProduct.model_validate_json(row["json"]) for row in rows], limit)

    async def delete(self, tenant: str, source: int, urls: Collection[str]) -> int:
        """See `source_port.DataProducts.delete`."""
        return await self._collection.delete_all({**_of(tenant, source), "url": {"$in": list(urls)}})

    async def availability(
        self, tenant: str, sources: Collection[int], first: datetime, until: datetime
    ) -> dict[int, dict[int, int]]:
        """See `source_port.DataProducts.availability`."""
        day = {"$floor": {"$divide": ["$start_us", _DAY_US]}}
        counted = await self._collection.aggregate(
            [
                {
                    "$match": {
                        "tenant": {"$eq": tenant},
                        "source": {"$in": list(sources)},
                        "start_us": {"$gte": to_micros(first), "$lt": to_micros(until)},
                    }
                },
                {"$group": {"_id": {"source": "$source", "day": day}, "count": {"$sum": 1}}},
            ]
        )
        found: dict[int, dict[int, int]] = {source: {} for source in sources}
        for row in counted:
            found[row["_id"]["source"]][int(row["_id"]["day"])] = row["count"]
        return found

    async def extent(self, tenant: str, source: int) -> Extent | None:
        """See `source_port.DataProducts.extent`."""
        ends = {"first": {"$min": "$start_us"}, "last": {"$max": "$start_us"}}
        counted = await self._collection.aggregate(
            [{"$match": _of(tenant, source)}, {"$group": {"_id": None, "count": {"$sum": 1}, **ends}}]
        )
        return Extent(counted[0]["count"], counted[0]["first"], counted[0]["last"]) if counted else None


def _of(tenant: str, source: int) -> Row:
    return {"tenant": {"$eq": tenant}, "source": {"$eq": source}}


def _key(tenant: str, source: int, url: str) -> Row:
    return {**_of(tenant, source), "url": {"$eq": url}}


def _row(product: DataProduct) -> Row:
    return {
        "tenant": product.tenant,
        "source": product.source,
        "url": product.url,
        "type": product.data_product_type,
        "start_us": to_micros(product.start),
        "end_us": to_micros(product.end),
        "json": product.model_dump_json(),
    }
