"""Upserts that are asked for in the same moment, sent as one command."""

import asyncio
from dataclasses import dataclass

from pymongo import UpdateOne

from services.kit.store.mongo.collection import BulkOutcome, Collection


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    operations: list[UpdateOne]
    task: "asyncio.Task[BulkOutcome]"


class GroupedUpserts:
    """Upserts on one collection. A command costs more than what one small row adds to it."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._open: _Group | None = None

    async def upsert(self, operation: UpdateOne) -> bool:
        """Do it, together with all others that are waiting; say False where the row was made by another just then.

        A caller that is cancelled leaves the others, and its own, to be written.

        Raises:
            Unavailable, Unknown: for every caller in the group; any part of it may have been written.
        """
        group = self._open
        if group is None:
            group = self._open = self._begin()
        place = len(group.operations)
        group.operations.append(operation)
        outcome = await asyncio.shield(group.task)
        return place not in outcome.duplicates

    def _begin(self) -> _Group:
        operations: list[UpdateOne] = []
        task = asyncio.create_task(self._write(operations), name=f"upsert {self._collection.name}")
        task.add_done_callback(_retrieve)
        return _Group(operations, task)

    async def _write(self, operations: list[UpdateOne]) -> BulkOutcome:
        self._open = None  # it runs after everybody who was ready has joined
        return await self._collection.write(operations)


def _retrieve(task: "asyncio.Task[BulkOutcome]") -> None:
    """Take note of its error: the callers may all have been cancelled."""
    if not task.cancelled():
        task.exception()
