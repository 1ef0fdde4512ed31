"""One collection: the few operations that the adapter is made of, with errors in our own terms."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from services.kit.errors import Unknown
from services.kit.store.mongo.connection import Connection
from services.kit.store.mongo.driver import Client, Row
from services.kit.store.mongo.errors import DUPLICATE_KEY, UNCONFIRMED, translate_code

Filter = Mapping[str, Any]
Operation = InsertOne[Any] | ReplaceOne[Any] | UpdateOne
Fields = Mapping[str, int]
Sort = Sequence[tuple[str, int]]


class BulkOutcome(NamedTuple):
    """What became of a batch: how many changes found their document, which inserts found another there."""

    matched: int
    duplicates: frozenset[int]
    """Places in the batch."""


class Collection:
    """One collection on a connection.

    Every method raises Unavailable when the server is away; the writing ones raise Unknown when it did not answer in
    time, Conflict for a key that is taken and Refused for a document that is too large.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    async def find(
        self, query: Filter, *, fields: Fields | None = None, sort: Sort | None = None, limit: int = 0
    ) -> list[Row]:
        """Return what matches."""

        async def work(client: Client) -> list[Row]:
            # Without a batch size the server sends 101 documents and waits to be asked for the rest.
            cursor = client.rows(self.name).find(query, fields, sort=sort, limit=limit, batch_size=limit)
            return await cursor.to_list()

        return await self._connection.run(work, wrote=False)

    async def find_one(self, query: Filter, *, fields: Fields | None = None) -> Row | None:
        """Return the one that matches."""
        return await self._connection.run(lambda client: client.rows(self.name).find_one(query, fields), wrote=False)

    async def aggregate(self, pipeline: Sequence[Filter]) -> list[Row]:
        """Return everything that the pipeline gives."""
        return await self._connection.run(lambda client: client.aggregate(self.name, pipeline), wrote=False)

    async def insert(self, row: Row | RawBSONDocument) -> None:
        """Store a new document."""
        await self._connection.run(lambda client: client.rows(self.name).insert_one(row), wrote=True)

    async def insert_all(self, rows: Sequence[Row]) -> None:
        """Store new documents, up to 48 MB of them."""
        await self._connection.run(lambda client: client.rows(self.name).insert_many(rows), wrote=True)

    async def replace(self, query: Filter, row: Row | RawBSONDocument) -> bool:
        """Put `row` in the place of the one that matches; say whether one did."""
        result = await self._connection.run(lambda client: client.rows(self.name).replace_one(query, row), wrote=True)
        return result.matched_count > 0

    async def update(self, query: Filter, change: Filter) -> bool:
        """Change the one that matches; say whether one did."""
        result = await self._connection.run(lambda client: client.rows(self.name).update_one(query, change), wrote=True)
        return result.matched_count > 0

    async def upsert(self, query: Filter, change: Filter) -> bool:
        """Change the one that matches or store a new one; say whether it is new."""
        result = await self._connection.run(
            lambda client: client.rows(self.name).update_one(query, change, upsert=True), wrote=True
        )
        return result.upserted_id is not None

    async def delete(self, query: Filter) -> bool:
        """Remove the one that matches; say whether one did."""
        result = await self._connection.run(lambda client: client.rows(self.name).delete_one(query), wrote=True)
        return result.deleted_count > 0

    async def delete_all(self, query: Filter) -> int:
        """Remove what matches; return how many. Unlike the others it is not repeated when the connection breaks."""
        result = await self._connection.run(lambda client: client.rows(self.name).delete_many(query), wrote=True)
        return result.deleted_count

    async def write(self, operations: Sequence[Operation]) -> BulkOutcome:
        """Do all of them, each atomic by itself, in any order."""

        async def work(client: Client) -> BulkOutcome:
            try:
                result = await client.rows(self.name).bulk_write(operations, ordered=False)
            except BulkWriteError as error:
                return _outcome(error)
            return BulkOutcome(result.matched_count, frozenset())

        return await self._connection.run(work, wrote=True)


def _outcome(error: BulkWriteError) -> BulkOutcome:
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise Unknown(UNCONFIRMED)
    errors = details.get("writeErrors", ())
    for refused in errors:
        if refused.get("code") != DUPLICATE_KEY:
            raise translate_code(refused.get("code")) from error
    return BulkOutcome(details.get("nMatched", 0), frozenset(refused["index"] for refused in errors))
