"""Dead letters in MongoDB."""

from collections.abc import Mapping
from datetime import datetime

from bson.binary import Binary

from services.kit.errors import Conflict, Unavailable
from services.kit.store.micros import to_micros
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.files import MongoFiles
from services.kit.store.mongo.rows import before
from services.kit.store.paging import cut_page
from services.kit.store.port import Cursor, LetterFilter, Page
from services.kit.store.records import DeadLetter, LetterSummary

_SUMMARY = dict.fromkeys(LetterSummary.model_fields, 1)
_PURGE = 500
_COUNTS = (
    {"$match": {"reason": {"$gte": ""}}},  # true of every text: it lets the index answer
    {"$group": {"_id": "$reason", "letters": {"$sum": 1}}},
)


class MongoDeadLetters:
    """The DeadLetters port on one collection; bodies above `inline_bytes` lie in `files`."""

    def __init__(self, collection: Collection, files: MongoFiles, inline_bytes: int) -> None:
        self._collection = collection
        self._files = files
        self._inline_bytes = inline_bytes

    async def add(self, letter: DeadLetter) -> None:
        """See `port.DeadLetters.add`."""
        row: Row = {
            "_id": letter.id,
            **letter.model_dump(mode="json", exclude={"body", "headers"}),
            # The names of headers are whatever somebody sent: they may not become names of fields.
            "headers": [{"name": name, "value": value} for name, value in letter.headers.items()],
            "died_us": to_micros(letter.died_at),
        }
        if len(letter.body) <= self._inline_bytes:
            await self._insert({**row, "body": Binary(letter.body)})
        elif await self._collection.find_one({"_id": {"$eq": letter.id}}, fields={"_id": 1}) is None:
            file = await self._files.write(letter.id, letter.body)
            if await self._insert({**row, "file": file}):
                await self._files.settle(file)
            else:
                await self._files.remove(file)

    async def get(self, letter_id: str) -> DeadLetter | None:
        """See `port.DeadLetters.get`."""
        row = await self._collection.find_one({"_id": {"$eq": letter_id}})
        if row is None:
            return None
        body = await self._files.read(row["file"]) if "file" in row else bytes(row["body"])
        if body is None:
            raise Unavailable("a large dead letter is there without its body")
        headers = {header["name"]: header["value"] for header in row["headers"]}
        return DeadLetter.model_validate({"size_bytes": len(body), **row, "headers": headers, "body": body})

    async def summary(self, letter_id: str) -> LetterSummary | None:
        """See `port.DeadLetters.summary`."""
        row = await self._collection.find_one({"_id": {"$eq": letter_id}}, fields=_SUMMARY)
        return None if row is None else _summary(row)

    async def page(self, letter_filter: LetterFilter, cursor: Cursor | None, limit: int) -> Page[LetterSummary]:
        """See `port.DeadLetters.page`."""
        wanted = {
            name: {"$eq": value}
            for name in ("queue", "reason", "query_id", "tenant")
            if (value := getattr(letter_filter, name)) is not None
        }
        # The first bound is true of every time: it lets the index answer.
        query = {"died_us": {"$lte": 2**63 - 1}, **wanted, **before(cursor, "died_us")}
        newest_first = (("died_us", -1), ("id", -1))
        rows = await self._collection.find(query, fields=_SUMMARY, sort=newest_first, limit=limit + 1)
        return cut_page([_summary(row) for row in rows], limit, lambda letter: Cursor(letter.died_at, letter.id))

    async def counts(self) -> Mapping[str, int]:
        """See `port.DeadLetters.counts`."""
        return {row["_id"]: row["letters"] for row in await self._collection.aggregate(_COUNTS)}

    async def delete(self, letter_id: str) -> None:
        """See `port.DeadLetters.delete`."""
        row = await self._collection.find_one({"_id": {"$eq": letter_id}}, fields={"file": 1})
        if row is not None:
            await self._remove(row)

    async def purge(self, until: datetime) -> int:
        """See `port.DeadLetters.purge`."""
        await self._files.sweep()
        old, purged = {"died_us": {"$lte": to_micros(until)}}, 0
        while rows := await self._collection.find(old, fields={"file": 1}, limit=_PURGE):
            inline = [row["_id"] for row in rows if "file" not in row]
            purged += await self._collection.delete_all({"_id": {"$in": inline}}) if inline else 0
            for row in rows:
                if "file" in row:
                    purged += await self._remove(row)
        return purged

    async def _remove(self, row: Row) -> bool:
        if "file" in row:
            await self._files.announce(row["file"])
        removed = await self._collection.delete({"_id": {"$eq": row["_id"]}})
        if "file" in row:
            await self._files.remove(row["file"])
        return removed

    async def _insert(self, row: Row) -> bool:
        try:
            await self._collection.insert(row)
        except Conflict:
            return False
        return True


def _summary(row: Row) -> LetterSummary:
    return LetterSummary.model_validate({"size_bytes": 0, **row})
