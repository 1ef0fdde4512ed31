"""The part of the Store port that holds the data of sources: ephemeris and data products.

What `services.kit.store.port` promises of every method holds here too. Identifiers of sources are 64-bit integers;
whether there is such a source is the caller's business.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from services.kit.store.ephemeris import Column, EphemerisDay, Extent
from services.kit.store.records import DataProduct


class Ephemeris(Protocol):
    """Ephemeris, keyed by (tenant, source, day), a day counted from 1970 and one record per minute of it."""

    async def put(self, tenant: str, source: int, days: Sequence[EphemerisDay]) -> None:
        """Add the minutes of each day to those that are stored; of the same minute the one put last stays.

        Every day is given with all its columns (`ephemeris.pack` does), none twice. Each is atomic by itself, also
        beside other calls: a reader sees all of it or nothing. Done again it changes nothing.

        Raises:
            Refused: `body_too_large`, a day above what this adapter can hold.
        """
        ...

    async def read(
        self, tenant: str, sources: Collection[int], first_day: int, until_day: int, columns: Collection[Column]
    ) -> dict[int, list[EphemerisDay]]:
        """Return what there is from `first_day` until before `until_day`, per source in order, with `columns` only.

        A source without any day is there with none. The columns of one day are of one moment. Everything that is
        returned is in memory, and only what was asked for is read: 4 kB to 23 kB per day for a place that moves.
        """
        ...

    async def delete(self, tenant: str, source: int, first_minute: int, until_minute: int) -> int:
        """Remove the minutes from `first_minute` until before `until_minute`; return how many there were.

        Each day is atomic by itself; done again after a failure it removes the rest.
        """
        ...

    async def availability(
        self, tenant: str, sources: Collection[int], first_day: int, until_day: int
    ) -> dict[int, dict[int, int]]:
        """Return per source how many minutes each day has; days without any are not there."""
        ...

    async def extent(self, tenant: str, source: int) -> Extent | None:
        """Return the count of records with their first and last minute, or None when there are none."""
        ...


class ProductCursor(NamedTuple):
    """Where a page of data products ended."""

    start: datetime
    source: int
    url: str


class ProductPage(NamedTuple):
    """Some data products and where to go on, None on the last page."""

    items: Sequence[DataProduct]
    next: ProductCursor | None


class DataProducts(Protocol):
    """Data products, keyed by (tenant, source, url)."""

    async def put(self, products: Sequence[DataProduct]) -> None:
        """Store each, over the one that has its key; each is atomic by itself and no key may come twice."""
        ...

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
        """List those with `start >= first` and `end <= last`, sorted by (start, source, url); no types admit all."""
        ...

    async def delete(self, tenant: str, source: int, urls: Collection[str]) -> int:
        """Remove those of the source that have these addresses; return how many there were."""
        ...

    async def availability(
        self, tenant: str, sources: Collection[int], first: datetime, until: datetime
    ) -> Mapping[int, Mapping[int, int]]:
        """Return per source how many begin on each day (counted from 1970), from `first` until before `until`."""
        ...

    async def extent(self, tenant: str, source: int) -> Extent | None:
        """Return the count with the earliest and the latest start in microseconds, or None when there are none."""
        ...
