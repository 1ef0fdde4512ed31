"""Blobs in MongoDB: a row per blob, with the bytes in it or the name of a file in GridFS."""

from collections.abc import Sequence
from datetime import datetime

from bson.binary import Binary
from bson.max_key import MaxKey
from pymongo import InsertOne

from services.kit.errors import Conflict, Refused, Unavailable
from services.kit.store.micros import from_micros, to_micros
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.files import MongoFiles
from services.kit.store.mongo.gathering import Gathering
from services.kit.store.mongo.rows import KEPT_US, by_key, expires_on, expires_us, key_of
from services.kit.store.records import Blob

MAX_BLOB_BYTES = 1024 * 1024 * 1024
"""More would not fit the memory that a reader should need."""

_PURGE = 500
_READS = 10
_WRITE_AT_ONCE = 64
_ROUNDS = 50
"""Blobs that may come and go under one call; more means that something else is wrong."""


class MongoBlobs:
    """The Blobs port on one collection; bytes above `inline_bytes` lie in `files`."""

    def __init__(self, collection: Collection, files: MongoFiles, inline_bytes: int) -> None:
        self._collection = collection
        self._inserts = Gathering(self._insert_all, most=_WRITE_AT_ONCE)
        self._files = files
        self._inline_bytes = inline_bytes

    async def put(self, blob: Blob) -> None:
        """See `port.Blobs.put`."""
        if len(blob.data) > MAX_BLOB_BYTES:
            raise Refused("body_too_large", f"the store takes up to {MAX_BLOB_BYTES} bytes in one piece")
        if len(blob.data) <= self._inline_bytes:
            await self._put_inline(blob)
        elif not await self._keep(blob.tenant, blob.sha256, blob.expires_at):
            file = await self._files.write(key_of(blob.tenant, blob.sha256), blob.data)
            # MaxKey is above every date, and no date: the server's deleter would leave the file behind.
            if await self._store(blob, {"file": file, "expires_on": MaxKey()}):
                await self._files.settle(file)
            else:
                await self._files.remove(file)

    async def get(self, tenant: str, sha256: str) -> Blob | None:
        """See `port.Blobs.get`."""
        for _ in range(_READS):
            row = await self._collection.find_one(by_key(tenant, sha256))
            if row is None:
                return None
            data = await self._files.read(row["file"]) if "file" in row else bytes(row["data"])
            if data is not None:
                return _blob(row, data)
        raise Unavailable("a large blob is there without its bytes")

    async def keep_until(self, tenant: str, sha256: str, expires_at: datetime | None) -> None:
        """See `port.Blobs.keep_until`."""
        await self._keep(tenant, sha256, expires_at)

    async def delete(self, tenant: str, sha256: str, *, seen: Blob | None = None) -> None:
        """See `port.Blobs.delete`."""
        row = await self._collection.find_one(by_key(tenant, sha256), fields={"file": 1})
        if row is not None:
            await self._remove(row, {} if seen is None else {"index.expires_us": {"$eq": expires_us(seen.expires_at)}})

    async def purge(self, now: datetime) -> int:
        """See `port.Blobs.purge`."""
        await self._files.sweep()
        expired = {"index.expires_us": {"$lte": to_micros(now)}}
        purged = 0
        while rows := await self._collection.find(expired, fields={"file": 1}, limit=_PURGE):
            inline = [row["_id"] for row in rows if "file" not in row]
            purged += await self._collection.delete_all({"_id": {"$in": inline}, **expired}) if inline else 0
            for row in rows:
                if "file" in row:
                    purged += await self._remove(row, expired)
        return purged

    async def _put_inline(self, blob: Blob) -> None:
        """Insert, since most blobs are new, and inserts of a moment are one write to the server; upserts are not."""
        row = _row(blob, {"data": Binary(blob.data), "expires_on": expires_on(blob.expires_at)})
        for _ in range(_ROUNDS):
            if await self._inserts.do(row) or await self._keep(blob.tenant, blob.sha256, blob.expires_at):
                return
        raise Unavailable("the blob came and went under every attempt to store it")

    async def _insert_all(self, rows: Sequence[Row]) -> list[bool]:
        """Store rows in one command, each by itself; say of each whether there was none yet."""
        outcome = await self._collection.write([InsertOne(row) for row in rows])
        return [place not in outcome.duplicates for place in range(len(rows))]

    async def _store(self, blob: Blob, where: Row) -> bool:
        """Store the row if there is none, else move its expiry; say whether it is new."""
        try:
            return await self._collection.upsert(*_upsert(blob, where))
        except Conflict:  # two who store the same at once may both find nothing
            await self._keep(blob.tenant, blob.sha256, blob.expires_at)
            return False

    async def _keep(self, tenant: str, sha256: str, expires_at: datetime | None) -> bool:
        latest = {"index.expires_us": expires_us(expires_at), "expires_on": expires_on(expires_at)}
        return await self._collection.update(by_key(tenant, sha256), {"$max": latest})

    async def _remove(self, row: Row, condition: Row) -> bool:
        """Remove a row with its file, if it still is as `condition` says; say whether it was."""
        file = row.get("file")
        if file is None:
            return await self._collection.delete({"_id": row["_id"], **condition})
        await self._files.announce(file)
        removed = await self._collection.delete({"_id": row["_id"], "file": {"$eq": file}, **condition})
        if removed:
            await self._files.remove(file)
        else:
            await self._files.settle(file)
        return removed


def _row(blob: Blob, where: Row) -> Row:
    return {
        "_id": key_of(blob.tenant, blob.sha256),
        "tenant": blob.tenant,
        "sha256": blob.sha256,
        "media_type": blob.media_type,
        "size_bytes": len(blob.data),
        "index": {"expires_us": expires_us(blob.expires_at)},
        **where,
    }


def _upsert(blob: Blob, where: Row) -> tuple[Row, Row]:
    """Return the filter and the change that store the row if there is none, and else move its expiry."""
    first = _row(blob, where)
    key, expires = first.pop("_id"), first.pop("index")["expires_us"]
    latest = {"index.expires_us": expires, "expires_on": first.pop("expires_on")}
    return {"_id": {"$eq": key}}, {"$setOnInsert": first, "$max": latest}


def _blob(row: Row, data: bytes) -> Blob:
    micros = row["index"]["expires_us"]
    return Blob(
        tenant=row["tenant"],
        sha256=row["sha256"],
        media_type=row["media_type"],
        data=data,
        expires_at=None if micros == KEPT_US else from_micros(micros),
    )
