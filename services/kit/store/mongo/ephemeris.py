"""Ephemeris in MongoDB: a document per source and day, which is read without the columns that nobody asked for."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from bson.binary import Binary

from services.kit.errors import Conflict, Unavailable
from services.kit.store.ephemeris import (
    COLUMNS,
    DAY_MINUTES,
    EVERY_DAY,
    Column,
    EphemerisDay,
    Extent,
    cut,
    extent_of,
    merge,
)
from services.kit.store.mongo import collection as mongo
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.rows import key_of

_SLICE = 128
"""Days in one call: some 3 MB of a place that moves, so that a long read never comes near a call's deadline."""
_ROUNDS = 50
"""Writers that may come first under one call; more means that something else is wrong."""

_Change = Callable[[EphemerisDay | None], EphemerisDay | None]


class MongoEphemeris:
    """The Ephemeris port on one collection. A revision in each document tells when somebody else was faster."""

    def __init__(self, collection: mongo.Collection) -> None:
        self._collection = collection

    async def put(self, tenant: str, source: int, days: Sequence[EphemerisDay]) -> None:
        """See `source_port.Ephemeris.put`."""
        for day in days:
            await self._change(tenant, source, day.day, partial(_merged, new=day))

    async def read(
        self, tenant: str, sources: Collection[int], first_day: int, until_day: int, columns: Collection[Column]
    ) -> dict[int, list[EphemerisDay]]:
        """See `source_port.Ephemeris.read`."""
        fields = {"source": 1, "day": 1, "present": 1, **{f"columns.{column}": 1 for column in columns}}
        found: dict[int, list[EphemerisDay]] = {source: [] for source in sources}
        # A few days of many sources come in one call: the calls would cost more than the days.
        together = max(1, _SLICE // max(1, until_day - first_day))
        for start in range(0, len(found), together):
            group = list(found)[start : start + together]
            after = first_day - 1
            while True:
                between = {
                    "tenant": {"$eq": tenant},
                    "source": {"$in": group},
                    "day": {"$gt": after, "$lt": until_day},
                }
                order = (("source", 1), ("day", 1))
                rows = await self._collection.find(between, fields=fields, sort=order, limit=_SLICE)
                for row in rows:
                    found[row["source"]].append(_day(row))
                if len(group) > 1 or len(rows) < _SLICE:
                    break
                after = rows[-1]["day"]
        return found

    async def delete(self, tenant: str, source: int, first_minute: int, until_minute: int) -> int:
        """See `source_port.Ephemeris.delete`."""
        found = await self.read(tenant, (source,), first_minute // DAY_MINUTES, -(-until_minute // DAY_MINUTES), ())
        change = partial(_without, first_minute=first_minute, until_minute=until_minute)
        return sum([await self._change(tenant, source, day.day, change) for day in found[source]])

    async def availability(
        self, tenant: str, sources: Collection[int], first_day: int, until_day: int
    ) -> dict[int, dict[int, int]]:
        """See `source_port.Ephemeris.availability`."""
        found = await self.read(tenant, sources, first_day, until_day, ())
        return {source: {day.day: len(day) for day in days} for source, days in found.items()}

    async def extent(self, tenant: str, source: int) -> Extent | None:
        """See `source_port.Ephemeris.extent`."""
        found = await self.read(tenant, (source,), *EVERY_DAY, ())
        return extent_of(found[source])

    async def _change(self, tenant: str, source: int, day: int, change: _Change) -> int:
        """Put `change` of what is stored in its place; return how many minutes fewer there are."""
        key = {"_id": {"$eq": key_of(tenant, f"{source}/{day}")}}
        for _ in range(_ROUNDS):
            row = await self._collection.find_one(key)
            stored = None if row is None else _day(row)
            wanted = change(stored)
            if wanted is None and row is None:
                return 0
            if await self._swap(key, row, tenant, source, wanted):
                return (len(stored) if stored else 0) - (len(wanted) if wanted else 0)
        raise Unavailable("too many others write the same day of ephemeris; try again")

    async def _swap(self, key: Row, row: Row | None, tenant: str, source: int, wanted: EphemerisDay | None) -> bool:
        if row is None:
            if wanted is None:
                return True
            try:
                await self._collection.insert(_row(key["_id"]["$eq"], tenant, source, wanted, 1))
            except Conflict:
                return False
            return True
        unchanged = {**key, "revision": {"$eq": row["revision"]}}
        if wanted is None:
            return await self._collection.delete(unchanged)
        new = _row(row["_id"], tenant, source, wanted, row["revision"] + 1)
        return await self._collection.replace(unchanged, new)


def _merged(stored: EphemerisDay | None, new: EphemerisDay) -> EphemerisDay:
    return merge(stored, new) if stored else new


def _without(stored: EphemerisDay | None, first_minute: int, until_minute: int) -> EphemerisDay | None:
    return cut(stored, first_minute, until_minute) if stored else None


def _row(key: str, tenant: str, source: int, day: EphemerisDay, revision: int) -> Row:
    return {
        "_id": key,
        "tenant": tenant,
        "source": source,
        "day": day.day,
        "revision": revision,
        "present": Binary(day.present),
        "columns": {column: Binary(data) for column, data in day.columns.items()},
    }


def _day(row: Row) -> EphemerisDay:
    stored = row.get("columns", {})
    columns: dict[Column, bytes] = {column: bytes(stored[column]) for column in COLUMNS if column in stored}
    return EphemerisDay(row["day"], bytes(row["present"]), columns)
