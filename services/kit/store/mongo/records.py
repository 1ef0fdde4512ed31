"""The control plane's records in MongoDB: a collection per type."""

from typing import Generic, TypeVar

from bson.raw_bson import RawBSONDocument

from services.kit.errors import Conflict
from services.kit.store.micros import to_micros
from services.kit.store.mongo.collection import Collection, Filter
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.rows import before, by_key, from_row, key_of, to_row
from services.kit.store.paging import cut_page
from services.kit.store.port import Cursor, Page
from services.kit.store.records import Record

R = TypeVar("R", bound=Record)


class MongoRecords(Generic[R]):
    """The Records port for one type on one collection; `kind` is what messages call it."""

    def __init__(self, collection: Collection, kind: str, model: type[R]) -> None:
        self._collection = collection
        self._kind = kind
        self._model = model

    async def insert(self, record: R) -> None:
        """See `port.Records.insert`. Repeated after Unknown, it raises Conflict when the first attempt took effect."""
        try:
            await self._collection.insert(_row(record))
        except Conflict as error:
            raise self._taken(record) from error

    async def replace(self, record: R) -> None:
        """See `port.Records.replace`."""
        query = {**by_key(record.tenant, record.id), "revision": {"$eq": record.revision - 1}}
        try:
            replaced = await self._collection.replace(query, _row(record))
        except Conflict as error:
            raise self._taken(record) from error
        if not replaced:
            raise Conflict(f"the {self._kind} {record.id} is not at revision {record.revision - 1}")

    async def get(self, tenant: str, record_id: str) -> R | None:
        """See `port.Records.get`."""
        return await self._one(by_key(tenant, record_id))

    async def by_name(self, tenant: str, name: str) -> R | None:
        """See `port.Records.by_name`."""
        return await self._one({"tenant": {"$eq": tenant}, "index.unique_name": {"$eq": name}})

    async def find(self, record_id: str) -> R | None:
        """See `port.Records.find`."""
        return await self._one({"id": {"$eq": record_id}})

    async def page(self, tenant: str, cursor: Cursor | None, limit: int) -> Page[R]:
        """See `port.Records.page`."""
        query = {"tenant": {"$eq": tenant}, "index.listed": True, **before(cursor, "index.created_us")}
        rows = await self._collection.find(query, sort=(("index.created_us", -1), ("id", -1)), limit=limit + 1)
        records = [self._model.model_validate(from_row(row)) for row in rows]
        return cut_page(records, limit, lambda record: Cursor(record.created_at, record.id))

    async def _one(self, query: Filter) -> R | None:
        row = await self._collection.find_one(query)
        return None if row is None else self._model.model_validate(from_row(row))

    def _taken(self, record: R) -> Conflict:
        return Conflict(f"the {self._kind} {record.id} exists, or its name {record.name!r} is taken")


def _row(record: Record) -> RawBSONDocument:
    index: Row = {"created_us": to_micros(record.created_at), "listed": record.removed_at is None}
    if record.unique_name is not None:
        index["unique_name"] = record.unique_name
    return to_row(key_of(record.tenant, record.id), record, index, None)
