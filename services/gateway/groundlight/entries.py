"""Small things that only this surface knows, kept in the store as entries."""

from collections.abc import Sequence
from typing import Literal

from contracts.ids import new_id
from services.gateway.groundlight.paging import read_all
from services.kit.errors import Conflict
from services.kit.platform import Platform
from services.kit.store.port import Cursor, Page
from services.kit.store.records import EntryRecord

Kind = Literal["group", "note", "priming_group", "edge_config"]
_PREFIXES: dict[Kind, str] = {"group": "grp", "note": "note", "priming_group": "pg", "edge_config": "cfg"}


async def add_entry(platform: Platform, tenant: str, kind: Kind, name: str, content_json: str) -> EntryRecord | None:
    """Store an entry; None when another of the kind has the name."""
    now = platform.clock.now()
    entry = EntryRecord(
        tenant=tenant,
        id=new_id(_PREFIXES[kind], now),
        name=name,
        kind=kind,
        content_json=content_json,
        created_at=now,
        updated_at=now,
    )
    try:
        await platform.store.entries.insert(entry)
    except Conflict:
        return None
    return entry


async def named_entry(platform: Platform, tenant: str, kind: Kind, name: str) -> EntryRecord | None:
    """Return the entry of that kind and name."""
    return await platform.store.entries.by_name(tenant, f"{kind} {name}")


async def all_entries(platform: Platform, tenant: str, kind: Kind) -> Sequence[EntryRecord]:
    """Return the entries of a kind, newest first."""

    async def read(cursor: Cursor | None, limit: int) -> Page[EntryRecord]:
        return await platform.store.entries.page(tenant, cursor, limit)

    return [entry for entry in await read_all(read) if entry.kind == kind]
