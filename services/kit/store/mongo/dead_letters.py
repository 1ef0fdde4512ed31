"""Dead letters in MongoDB."""

from bson.binary import Binary

from services.kit.errors import Conflict, Unavailable
from services.kit.store.micros import to_micros
from services.kit.store.mongo.collection import Collection
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.files import MongoFiles
from services.kit.store.mongo.rows import before
from services.kit.store.paging import cut_page
from services.kit.store.port import Cursor, Page
from services.kit.store.records import DeadLetter


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
        return None if row is None else await self._read(row)

    async def page(self, cursor: Cursor | None, limit: int) -> Page[DeadLetter]:
        """See `port.DeadLetters.page`."""
        rows = await self._collection.find(
            before(cursor, "died_us"), sort=(("died_us", -1), ("id", -1)), limit=limit + 1
        )
        letters = [await self._read(row) for row in rows]
        return cut_page(letters, limit, lambda letter: Cursor(letter.died_at, letter.id))

    async def delete(self, letter_id: str) -> None:
        """See `port.DeadLetters.delete`."""
        row = await self._collection.find_one({"_id": {"$eq": letter_id}}, fields={"file": 1})
        if row is None:
            return
        if "file" in row:
            await self._files.announce(row["file"])
        await self._collection.delete({"_id": {"$eq": letter_id}})
        if "file" in row:
            await self._files.remove(row["file"])

    async def _insert(self, row: Row) -> bool:
        try:
            await self._collection.insert(row)
        except Conflict:
            return False
        return True

    async def _read(self, row: Row) -> DeadLetter:
        body = await self._files.read(row["file"]) if "file" in row else bytes(row["body"])
        if body is None:
            raise Unavailable("a large dead letter is there without its body")
        headers = {header["name"]: header["value"] for header in row["headers"]}
        return DeadLetter.model_validate({**row, "headers": headers, "body": body})
