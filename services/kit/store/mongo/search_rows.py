"""Rows of searches in MongoDB: a document per chunk, and one per part that names how many there are."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bson.binary import Binary
from pymongo import ReplaceOne

from services.kit.store.documents import QueryKey
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.expiry import purge
from services.kit.store.mongo.rows import expires_on, expires_us, key_of
from services.kit.store.port import Packed, RecordedPart

_COMMAND_BYTES, _COMMAND_CHUNKS = 4 * 1024 * 1024, 200
_RECORD = {"part": 1, "chunks": 1, "rows": 1, "size_bytes": 1}


class MongoSearchRows:
    """The SearchRows port on two collections. A part is recorded after its chunks and forgotten before them."""

    def __init__(self, parts: Collection, chunks: Collection) -> None:
        self._parts = parts
        self._chunks = chunks

    async def put(self, key: QueryKey, part: int, packed: Packed, expires_at: datetime | None) -> None:
        """See `port.SearchRows.put`."""
        until: Row = {"expires_on": expires_on(expires_at), "index": {"expires_us": expires_us(expires_at)}}
        for numbers in _grouped(packed.chunks):
            rows: list[Row] = [
                {"_id": _chunk(key, part, number), "of": key_of(*key), "data": Binary(packed.chunks[number]), **until}
                for number in numbers
            ]
            await self._chunks.write([ReplaceOne({"_id": {"$eq": row["_id"]}}, row, upsert=True) for row in rows])
        record: Row = {
            "_id": _part(key, part),
            "of": key_of(*key),
            "part": part,
            "chunks": len(packed.chunks),
            "rows": packed.rows,
            "size_bytes": packed.size_bytes,
            **until,
        }
        await self._parts.write([ReplaceOne({"_id": {"$eq": record["_id"]}}, record, upsert=True)])

    async def recorded(self, key: QueryKey, among: Sequence[int] | None = None) -> Mapping[int, RecordedPart]:
        """See `port.SearchRows.recorded`."""
        wanted: Row = {"of": {"$eq": key_of(*key)}}
        if among is not None:
            wanted = {"_id": {"$in": [_part(key, part) for part in among]}}
        rows = await self._parts.find(wanted, fields=_RECORD)
        return {row["part"]: RecordedPart(row["chunks"], row["rows"], row["size_bytes"]) for row in rows}

    async def get(self, key: QueryKey, part: int, chunk: int) -> bytes | None:
        """See `port.SearchRows.get`."""
        row = await self._chunks.find_one({"_id": {"$eq": _chunk(key, part, chunk)}}, fields={"data": 1})
        return None if row is None else bytes(row["data"])

    async def delete(self, key: QueryKey) -> None:
        """See `port.SearchRows.delete`."""
        of: Row = {"of": {"$eq": key_of(*key)}}
        await self._parts.delete_all(of)
        await self._chunks.delete_all(of)

    async def purge(self, now: datetime) -> int:
        """See `port.SearchRows.purge`."""
        purged = await purge(self._parts, now)
        await purge(self._chunks, now)
        return purged


def _grouped(chunks: Sequence[bytes]) -> Iterator[Sequence[int]]:
    """Yield the numbers of chunks that go in one command: many small ones, or a large one."""
    numbers: list[int] = []
    size_bytes = 0
    for number, chunk in enumerate(chunks):
        if numbers and (size_bytes + len(chunk) > _COMMAND_BYTES or len(numbers) == _COMMAND_CHUNKS):
            yield numbers
            numbers, size_bytes = [], 0
        numbers.append(number)
        size_bytes += len(chunk)
    if numbers:
        yield numbers


def _part(key: QueryKey, part: int) -> str:
    return f"{key_of(*key)}/{part}"


def _chunk(key: QueryKey, part: int, chunk: int) -> str:
    return f"{_part(key, part)}/{chunk}"
