"""Large bytes in GridFS: the layout that every MongoDB tool reads, written by hand.

By hand, because each group of chunks is then a call with its own deadline, while the drivers' GridFS puts a whole
file under one. A file belongs to a row of its owner collection, which names it in `file`; that row appears after the
file is whole and disappears before it, so that a reader meets no half. Files in motion are listed in `pending`, by
which `sweep` finds what a killed process left behind.
"""

from datetime import UTC, datetime
from io import BytesIO
from uuid import uuid4

import structlog
from bson.binary import Binary

from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.store.micros import to_micros
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.connection import Connection

log = structlog.get_logger(__name__)

CHUNK_BYTES = 1024 * 1024
_GROUP = 2
"""Chunks that travel at once; each lies in memory several times until it is sent."""
_ABANDONED_US = 3600 * 1_000_000
"""A file in motion for longer than this has nobody who moves it."""


class MongoFiles:
    """The files of one collection of owners, in the GridFS bucket of the same name."""

    def __init__(self, connection: Connection, owners: Collection, clock: Clock) -> None:
        self._owners = owners
        self._clock = clock
        self._files = Collection(connection, f"{owners.name}.files")
        self._chunks = Collection(connection, f"{owners.name}.chunks")
        self._pending = Collection(connection, f"{owners.name}.pending")

    async def write(self, owner: str, data: bytes) -> str:
        """Store the bytes in a new file and return its name; `settle` it once the owner's row names it.

        The name is a new one for each attempt: the chunks of two that write the same at once must not mix, and the
        one that gives up must not remove the other's. When it fails, nothing stays, or the sweep finds it.
        """
        await self.sweep()
        file = f"{owner}/{uuid4().hex}"
        await self.announce(file)
        try:
            await self._write(file, data)
        except BaseException:
            await self.abandon(file)
            raise
        return file

    async def read(self, file: str) -> bytes | None:
        """Return the bytes, None when they are not there or not whole: somebody is removing them."""
        entry = await self._files.find_one({"_id": {"$eq": file}})
        if entry is None:
            return None
        buffer = BytesIO()
        count = -(-entry["length"] // entry["chunkSize"])
        for first in range(0, count, _GROUP):
            rows = await self._chunks.find(
                {"files_id": {"$eq": file}, "n": {"$gte": first, "$lt": first + _GROUP}},
                sort=(("files_id", 1), ("n", 1)),
                limit=_GROUP,
            )
            for row in rows:
                buffer.write(row["data"])
        data = buffer.getvalue()
        return data if len(data) == entry["length"] else None

    async def announce(self, file: str) -> None:
        """List the file as one in motion, before it is written or its owner's row is removed."""
        now = to_micros(self._clock.now())
        await self._pending.upsert({"_id": {"$eq": file}}, {"$set": {"since_us": now}})

    async def settle(self, file: str) -> None:
        """Strike it off the list; the sweep does it when that fails."""
        try:
            await self._pending.delete({"_id": {"$eq": file}})
        except Unavailable as error:
            log.info("store.file_unsettled", collection=self._owners.name, reason=str(error))

    async def remove(self, file: str) -> None:
        """Remove the file of an owner's row that is gone; the sweep does it when that fails."""
        if await self._cleared(file):
            await self.settle(file)

    async def abandon(self, file: str) -> None:
        """Remove what was written of a file; it stays listed, since the last chunk may still be under way."""
        await self._cleared(file)

    async def sweep(self) -> None:
        """Finish or remove what was left in motion long ago."""
        limit = to_micros(self._clock.now()) - _ABANDONED_US
        for row in await self._pending.find({"since_us": {"$lte": limit}}):
            file: str = row["_id"]
            owner = await self._owners.find_one({"_id": {"$eq": file.rpartition("/")[0]}}, fields={"file": 1})
            if owner is not None and owner.get("file") == file:
                await self.settle(file)
            else:
                await self.remove(file)
                log.warning("store.file_swept", collection=self._owners.name)

    async def _write(self, file: str, data: bytes) -> None:
        view = memoryview(data)
        starts = range(0, len(data), CHUNK_BYTES)
        for first in range(0, len(starts), _GROUP):
            rows = [
                {"files_id": file, "n": n, "data": Binary(bytes(view[starts[n] : starts[n] + CHUNK_BYTES]))}
                for n in range(first, min(first + _GROUP, len(starts)))
            ]
            await self._chunks.insert_all(rows)
        entry = {"_id": file, "length": len(data), "chunkSize": CHUNK_BYTES, "filename": file}
        await self._files.insert({**entry, "uploadDate": datetime.now(UTC)})

    async def _cleared(self, file: str) -> bool:
        try:
            await self._files.delete({"_id": {"$eq": file}})
            await self._chunks.delete_all({"files_id": {"$eq": file}})
        except Unavailable as error:
            log.info("store.file_left", collection=self._owners.name, reason=str(error))
            return False
        return True
