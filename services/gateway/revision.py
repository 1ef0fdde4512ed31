"""Changing a record of the control plane while others may change it too."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from services.kit.clock import Clock
from services.kit.errors import Conflict, Refused
from services.kit.store.port import Records
from services.kit.store.records import Record

R = TypeVar("R", bound=Record)

Change = Callable[[R], Awaitable[Mapping[str, object]]]
"""Returns the fields to change in the record as it is now; none leaves it alone."""

_ROUNDS = 10


async def revise(records: Records[R], record: R, change: Change[R], clock: Clock) -> R:
    """Write the next revision of `record`; a lost race reads the record again and repeats the change.

    Raises:
        Refused: name_taken, edited_meanwhile (removed, or changed too often meanwhile), or what `change` raises.
    """
    for _ in range(_ROUNDS):
        update = await change(record)
        if not update:
            return record
        revised = record.model_copy(
            update={
                **update,
                "revision": record.revision + 1,
                "updated_at": max(clock.now(), record.updated_at),
            }
        )
        try:
            await records.replace(revised)
        except Conflict:
            record = await _latest(records, revised)
        else:
            return revised
    raise Refused("edited_meanwhile")


async def _latest(records: Records[R], revised: R) -> R:
    if revised.unique_name is not None:
        holder = await records.by_name(revised.tenant, revised.unique_name)
        if holder is not None and holder.id != revised.id:
            raise Refused("name_taken")
    latest = await records.get(revised.tenant, revised.id)
    if latest is None or latest.removed_at is not None:
        raise Refused("edited_meanwhile", "it was deleted meanwhile")
    return latest
