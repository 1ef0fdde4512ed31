"""Data sources of searches: add, find, change, delete.

Whoever reads sources reads the store, there is no cache that would have to hear of a change
(docs/adr/0022-the-gateway-writes-sources.md).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from contracts.http.base import Json
from contracts.http.sources import Schema, SourceCreate, SourceUpdate
from services.gateway.bodies import to_metadata_text
from services.gateway.revision import revise
from services.kit.errors import Conflict, Refused
from services.kit.platform import Platform
from services.kit.sources import read_sources
from services.kit.store.ephemeris import DAY_MINUTES, EVERY_DAY
from services.kit.store.port import Store
from services.kit.store.records import SourceRecord, source_name

log = structlog.get_logger(__name__)

_PLAIN = ("program", "platform", "instrument_type", "source_type", "owner", "maintainers")
_LARGEST, _LARGEST_GIVEN = 2**63 - 1, 2**53 - 1
_EVER = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
_AT_ONCE = 1000
_ROUNDS = 1000
"""Identifiers tried for a new source: those of removed sources are not given again unasked."""


class Sources:
    """The data sources of every tenant."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._store = platform.store

    async def find(self, tenant: str, identifier: int) -> SourceRecord:
        """Return the source.

        Raises:
            Refused: source_not_found.
        """
        # The store's keys are text, and Python turns no integer of more than 4,300 digits into it.
        record = await self._store.sources.get(tenant, str(identifier)) if abs(identifier) <= _LARGEST else None
        if record is None or record.removed_at is not None:
            raise missing(identifier)
        return record

    async def add(self, tenant: str, wanted: SourceCreate, *, owner: str | None) -> SourceRecord:
        """Store a new source; one without an owner is `owner`'s.

        Raises:
            Refused: source_exists, metadata_invalid.
        """
        now = self._platform.clock.now()
        record = SourceRecord(
            tenant=tenant,
            id=str(wanted.identifier or 0),
            name=wanted.display_name,
            program=wanted.program,
            platform=wanted.platform,
            instrument_type=wanted.instrument_type,
            source_type=wanted.source_type,
            owner=wanted.owner or owner,
            maintainers=wanted.maintainers or (),
            created_at=now,
            updated_at=now,
            **_texts(wanted.metadata, wanted.ephemeris_metadata_schema, wanted.data_product_metadata_schema),
        )
        if wanted.identifier is None:
            record = await self._insert_next(record)
        else:
            await self._insert(record)
        log.info("gateway.source_added", tenant=tenant, source=record.identifier)
        return record

    async def change(self, record: SourceRecord, wanted: SourceUpdate) -> SourceRecord:
        """Change what is not null.

        Raises:
            Refused: name_taken, edited_meanwhile, metadata_invalid, or invalid_parameter for another identifier.
        """
        if wanted.identifier not in {None, record.identifier}:
            raise Refused("invalid_parameter", "identifier: the one of a source cannot change")
        sent = {"name": wanted.display_name, **{name: getattr(wanted, name) for name in _PLAIN}}
        fields: dict[str, object] = {name: value for name, value in sent.items() if value is not None}
        fields |= _texts(wanted.metadata, wanted.ephemeris_metadata_schema, wanted.data_product_metadata_schema)

        async def change(current: SourceRecord) -> Mapping[str, object]:
            return {name: value for name, value in fields.items() if getattr(current, name) != value}

        return await revise(self._store.sources, record, change, self._platform.clock)

    async def delete(self, record: SourceRecord) -> None:
        """Delete a source without records.

        Raises:
            Refused: source_in_use, edited_meanwhile.
        """
        await self._need_empty(record)

        async def remove(_current: SourceRecord) -> Mapping[str, datetime]:
            return {"removed_at": self._platform.clock.now()}

        removed = await revise(self._store.sources, record, remove, self._platform.clock)
        try:
            # An upload that looked before the removal may have come to its end since. One that ends later finds the
            # source gone, and takes back what it stored.
            await self._need_empty(record)
        except Refused:
            await self._store.sources.replace(
                removed.model_copy(update={"removed_at": None, "revision": removed.revision + 1})
            )
            raise
        log.info("gateway.source_deleted", tenant=record.tenant, source=record.identifier)

    async def _insert_next(self, record: SourceRecord) -> SourceRecord:
        known = await read_sources(self._store, record.tenant)
        last = max((source.identifier for source in known), default=0)
        for identifier in range(last + 1, min(last + _ROUNDS, _LARGEST_GIVEN) + 1):
            numbered = record.model_copy(update={"id": str(identifier)})
            if await self._store.sources.get(record.tenant, numbered.id) is not None:
                continue
            try:
                await self._store.sources.insert(numbered)
            except Conflict:
                await self._need_free_name(numbered)  # else only the identifier was taken, just now
            else:
                return numbered
        raise Refused("source_exists", "no identifier was free; name one")

    async def _insert(self, record: SourceRecord) -> None:
        before = await self._store.sources.get(record.tenant, record.id)
        try:
            if before is None:
                await self._store.sources.insert(record)
                return
            if before.removed_at is None:
                raise Refused("source_exists", f"identifier: {record.id} is {_described(before)}")
            await erase_records(self._store, record)  # what an upload left that died before it could take it back
            await self._store.sources.replace(record.model_copy(update={"revision": before.revision + 1}))
        except Conflict:
            await self._need_free_name(record)
            raise Refused("source_exists", f"identifier: {record.id} was just taken") from None

    async def _need_free_name(self, record: SourceRecord) -> None:
        name = source_name(record.program, record.platform, record.instrument_type)
        holder = await self._store.sources.by_name(record.tenant, name)
        if holder is not None:
            raise Refused("source_exists", f"program, platform, instrument_type: those of source {holder.identifier}")

    async def _need_empty(self, record: SourceRecord) -> None:
        where = (record.tenant, record.identifier)
        ephemeris, products = (
            await self._store.ephemeris.extent(*where),
            await self._store.data_products.extent(*where),
        )
        if ephemeris is not None or products is not None:
            counts = (ephemeris.total if ephemeris else 0, products.total if products else 0)
            detail = "delete its {} records of ephemeris and {} data products first".format(*counts)
            raise Refused("source_in_use", detail)


def missing(identifier: int) -> Refused:
    """Return the error of a source that is not there; the client looks for these words."""
    shown = identifier if abs(identifier) <= _LARGEST else "so large"
    return Refused("source_not_found", f"No Data Source record found in AuroraX for identifier {shown}")


async def erase_records(store: Store, source: SourceRecord) -> None:
    """Remove every record that there is under the identifier of a source."""
    tenant, identifier = source.tenant, source.identifier
    await store.ephemeris.delete(tenant, identifier, *(day * DAY_MINUTES for day in EVERY_DAY))
    while True:
        page = await store.data_products.page(tenant, (identifier,), *_EVER, limit=_AT_ONCE)
        if not page.items:
            return
        await store.data_products.delete(tenant, identifier, [product.url for product in page.items])


def _described(source: SourceRecord) -> str:
    return f"{source.program} / {source.platform} / {source.instrument_type}"


def _texts(metadata: Mapping[str, Json] | None, ephemeris: Schema | None, products: Schema | None) -> dict[str, str]:
    """Return the fields of the record that keep JSON as text, without those that are None."""
    texts = {
        "metadata_json": to_metadata_text(metadata),
        "ephemeris_metadata_schema_json": _schema_text(ephemeris),
        "data_product_metadata_schema_json": _schema_text(products),
    }
    return {name: text for name, text in texts.items() if text is not None}


def _schema_text(schema: Schema | None) -> str | None:
    if schema is None:
        return None
    try:
        text = json.dumps([field.model_dump() for field in schema], ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        raise Refused("metadata_invalid", "a schema holds a number that JSON does not have") from None
    return text
