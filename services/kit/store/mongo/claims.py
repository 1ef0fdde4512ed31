"""Claims in MongoDB."""

from collections.abc import Sequence
from datetime import datetime

from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne

from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.store.documents import QueryKey
from services.kit.store.micros import to_micros
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.expiry import purge
from services.kit.store.mongo.gathering import Gathering
from services.kit.store.mongo.rows import by_key, from_row, key_of, to_row
from services.kit.store.records import Claim

_ROUNDS = 50
"""Holders that may come and go under one call; more means that something else is wrong."""
_WRITE_AT_ONCE = 100


class MongoClaims:
    """The Claims port on one collection. Two unique indexes, of IDs and of keys, decide who is first."""

    def __init__(self, collection: Collection, clock: Clock) -> None:
        self._collection = collection
        self._clock = clock
        self._inserts = Gathering(self._insert_all, most=_WRITE_AT_ONCE)

    async def make(self, claim: Claim) -> Claim:
        """See `port.Claims.make`."""
        index: Row = {"expires_us": to_micros(claim.expires_at)}
        if isinstance(claim.request, ImageQuerySubmitted):
            index["image_sha256"] = claim.request.image.sha256
        if claim.key is not None:
            index["key"] = claim.key
        row = to_row(key_of(claim.tenant, claim.id), claim, index, claim.expires_at)
        for _ in range(_ROUNDS):
            if await self._inserts.do(row):
                return claim
            holder = await self._holder(claim)
            if holder is not None:
                return holder
        raise Unavailable("the claim's holder changed under every attempt to read it")

    async def find(self, key: QueryKey) -> Claim | None:
        """See `port.Claims.find`."""
        row = await self._collection.find_one(by_key(*key))
        return None if row is None else Claim.model_validate(from_row(row))

    async def by_key(self, tenant: str, key: str) -> Claim | None:
        """See `port.Claims.by_key`."""
        row = await self._collection.find_one({"tenant": {"$eq": tenant}, "index.key": {"$eq": key}})
        if row is None or row["index"]["expires_us"] <= to_micros(self._clock.now()):
            return None
        return Claim.model_validate(from_row(row))

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        """See `port.Claims.uses_image`."""
        query = {"tenant": {"$eq": tenant}, "index.image_sha256": {"$eq": sha256}, "id": {"$nin": list(besides)}}
        return await self._collection.find_one(query, fields={"_id": 1}) is not None

    async def delete(self, key: QueryKey) -> None:
        """See `port.Claims.delete`."""
        await self._collection.delete(by_key(*key))

    async def purge(self, now: datetime) -> int:
        """See `port.Claims.purge`."""
        return await purge(self._collection, now)

    async def _insert_all(self, rows: Sequence[RawBSONDocument]) -> list[bool]:
        """Store rows in one command, each by itself; say of each whether its ID and its key were free."""
        outcome = await self._collection.write([InsertOne(row) for row in rows])
        return [place not in outcome.duplicates for place in range(len(rows))]

    async def _holder(self, claim: Claim) -> Claim | None:
        """Return who holds the ID or the key; remove it and return None when it has expired."""
        row = await self._collection.find_one(by_key(claim.tenant, claim.id))
        if row is None and claim.key is not None:
            row = await self._collection.find_one({"tenant": {"$eq": claim.tenant}, "index.key": {"$eq": claim.key}})
        if row is None:
            return None
        if row["index"]["expires_us"] > to_micros(self._clock.now()):
            return Claim.model_validate(from_row(row))
        # Exactly this one: another may have replaced it meanwhile.
        await self._collection.delete({"_id": row["_id"], "index.expires_us": row["index"]["expires_us"]})
        return None
