"""Removing by hand what has expired: the server's own deletion goes by its own clock, once a minute."""

from datetime import datetime

from services.kit.store.micros import to_micros
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.rows import expires_on

_AT_ONCE = 500
"""Documents removed in one command: a longer one would not end before its deadline."""


async def purge(collection: Collection, now: datetime) -> int:
    """Remove what has expired at `now`; return how many."""
    expired = {"expires_on": {"$lte": expires_on(now)}, "index.expires_us": {"$lte": to_micros(now)}}
    purged = 0
    while rows := await collection.find(expired, fields={"_id": 1}, limit=_AT_ONCE):
        purged += await collection.delete_all({"_id": {"$in": [row["_id"] for row in rows]}, **expired})
    return purged
