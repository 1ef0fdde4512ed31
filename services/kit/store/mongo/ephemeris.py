"""Ephemeris in MongoDB: a document per source and day, which is read without the columns that nobody asked for."""

import random
from collections.abc import Callable, Collection, Sequence
from functools import partial

from bson.binary import Binary

from services.kit.errors import Conflict, Unavailable
from services.kit.store.ephemeris import (
    COLUMNS,
    DAY_MINUTES,
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
_REVISION_BITS = 62
_ROUNDS = 50
"""Writers that may come first under one call; more means that something else is wrong."""

_COUNTS = {"_id": 0, "day": 1, "minutes": 1}

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
        """See `source_port.Ephemeris.delete`. Whole days go many at a time, those at the ends minute by minute."""
        first_day, until_day = -(-first_minute // DAY_MINUTES), until_minute // DAY_MINUTES
        removed = 0
        for days in await self._whole_days(tenant, source, first_day, until_day):
            removed += sum(days.values())
            within = {"$gte": min(days), "$lte": max(days)}
            await self._collection.delete_all({**_of(tenant, source), "day": within})
        change = partial(_without, first_minute=first_minute, until_minute=until_minute)
        for day in {first_minute // DAY_MINUTES, (until_minute - 1) // DAY_MINUTES}:
            if not first_day <= day < until_day:
                removed += await self._change(tenant, source, day, change)
        return removed

    async def availability(
        self, tenant: str, sources: Collection[int], first_day: int, until_day: int
    ) -> dict[int, dict[int, int]]:
        """See `source_port.Ephemeris.availability`. The index has the counts: no document is read."""
        within = {"day": {"$gte": first_day, "$lt": until_day}}
        found: dict[int, dict[int, int]] = {}
        for source in sources:
            rows = await self._collection.find({**_of(tenant, source), **within}, fields=_COUNTS, sort=(("day", 1),))
            found[source] = {row["day"]: row["minutes"] for row in rows}
        return found

    async def extent(self, tenant: str, source: int) -> Extent | None:
        """See `source_port.Ephemeris.extent`. The index has the counts: the first and the last day are read."""
        ends = {"total": {"$sum": "$minutes"}, "first": {"$min": "$day"}, "last": {"$max": "$day"}}
        counted = await self._collection.aggregate([{"$match": _of(tenant, source)}, {"$group": {"_id": None, **ends}}])
        if not counted:
            return None
        first, last = [await self._extent_of_day(tenant, source, counted[0][end]) for end in ("first", "last")]
        if first is None or last is None:  # deleted just now
            return await self.extent(tenant, source)
        return Extent(counted[0]["total"], first.first, last.last)

    async def _extent_of_day(self, tenant: str, source: int, day: int) -> Extent | None:
        return extent_of((await self.read(tenant, (source,), day, day + 1, ()))[source])

    async def _whole_days(self, tenant: str, source: int, first_day: int, until_day: int) -> list[dict[int, int]]:
        """Return the days that there are with their counts, in order and in slices."""
        found = (await self.availability(tenant, (source,), first_day, until_day))[source]
        days = list(found.items())
        return [dict(days[start : start + _SLICE]) for start in range(0, len(days), _SLICE)]

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
                # Not from 1: a day that was deleted and made anew must not look like the one before it.
                fresh = random.getrandbits(_REVISION_BITS)
                await self._collection.insert(_row(key["_id"]["$eq"], tenant, source, wanted, fresh))
            except Conflict:
                return False
            return True
        unchanged = {**key, "revision": {"$eq": row["revision"]}}
        if wanted is None:
            return await self._collection.delete(unchanged)
        new = _row(row["_id"], tenant, source, wanted, row["revision"] + 1)
        return await self._collection.replace(unchanged, new)


def _of(tenant: str, source: int) -> Row:
    return {"tenant": {"$eq": tenant}, "source": {"$eq": source}}


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
        "minutes": len(day),
        "present": Binary(day.present),
        "columns": {column: Binary(data) for column, data in day.columns.items()},
    }


def _day(row: Row) -> EphemerisDay:
    stored = row.get("columns", {})
    columns: dict[Column, bytes] = {column: bytes(stored[column]) for column in COLUMNS if column in stored}
    return EphemerisDay(row["day"], bytes(row["present"]), columns)
