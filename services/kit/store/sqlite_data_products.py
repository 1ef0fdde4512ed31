"""Data products in SQLite."""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from services.kit.database import Database
from services.kit.store.ephemeris import Extent
from services.kit.store.micros import to_micros
from services.kit.store.paging import cut_products
from services.kit.store.records import DataProduct
from services.kit.store.source_port import ProductCursor, ProductPage

_DAY_US = 86_400_000_000
_PUT = """
INSERT INTO data_products (tenant, source, url, type, start_at, end_at, product)
VALUES (:tenant, :source, :url, :type, :start_at, :end_at, :product)
ON CONFLICT (tenant, source, url) DO UPDATE SET
  type = excluded.type, start_at = excluded.start_at, end_at = excluded.end_at, product = excluded.product
"""
_PAGE = """
SELECT product FROM data_products
WHERE tenant = ? AND start_at >= ? AND (start_at, source, url) > (?, ?, ?) AND end_at <= ? AND source IN ({sources})
{types} ORDER BY start_at, source, url LIMIT ?
"""
_AVAILABILITY = f"""
SELECT start_at / {_DAY_US} - (start_at % {_DAY_US} < 0) AS day, count(*) FROM data_products
WHERE tenant = ? AND source = ? AND start_at >= ? AND start_at < ? GROUP BY day
"""  # noqa: S608 - division cuts towards zero, and days before 1970 are negative
_EXTENT = "SELECT count(*), min(start_at), max(start_at) FROM data_products WHERE tenant = ? AND source = ?"
_DELETE = "DELETE FROM data_products WHERE tenant = ? AND source = ? AND url = ?"


class SqliteDataProducts:
    """The DataProducts port on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, products: Sequence[DataProduct]) -> None:
        """See `source_port.DataProducts.put`."""
        rows = [
            {
                "tenant": product.tenant,
                "source": product.source,
                "url": product.url,
                "type": product.data_product_type,
                "start_at": to_micros(product.start),
                "end_at": to_micros(product.end),
                "product": product.model_dump_json(),
            }
            for product in products
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_PUT, rows)

        await self._database.write(work)

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
        behind = (to_micros(cursor.start), cursor.source, cursor.url) if cursor else (-(2**62), 0, "")
        statement = _PAGE.format(sources=_places(sources), types=f"AND type IN ({_places(types)})" if types else "")
        parameters = (tenant, to_micros(first), *behind, to_micros(last), *sources, *types, limit + 1)

        def work(connection: sqlite3.Connection) -> list[DataProduct]:
            rows = connection.execute(statement, parameters)
            return [DataProduct.model_validate_json(row["product"]) for row in rows]

        return cut_products(await self._database.read(work), limit)

    async def delete(self, tenant: str, source: int, urls: Collection[str]) -> int:
        """See `source_port.DataProducts.delete`."""

        def work(connection: sqlite3.Connection) -> int:
            return connection.executemany(_DELETE, [(tenant, source, url) for url in urls]).rowcount if urls else 0

        return await self._database.write(work)

    async def availability(
        self, tenant: str, sources: Collection[int], first: datetime, until: datetime
    ) -> dict[int, dict[int, int]]:
        """See `source_port.DataProducts.availability`."""
        span = (to_micros(first), to_micros(until))

        def work(connection: sqlite3.Connection) -> dict[int, dict[int, int]]:
            return {
                source: {row[0]: row[1] for row in connection.execute(_AVAILABILITY, (tenant, source, *span))}
                for source in sources
            }

        return await self._database.read(work)

    async def extent(self, tenant: str, source: int) -> Extent | None:
        """See `source_port.DataProducts.extent`."""

        def work(connection: sqlite3.Connection) -> Extent | None:
            count, first, last = connection.execute(_EXTENT, (tenant, source)).fetchone()
            return Extent(count, first, last) if count else None

        return await self._database.read(work)


def _places(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))
