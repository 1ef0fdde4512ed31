"""Models: upload, find, change, delete. Whether a file may answer anything is the inference service's verdict."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TypeVar

from contracts.http.models import Model, ModelUpdate
from contracts.ids import EVENT, MODEL, new_id
from contracts.v1.control import ModelChanged, ModelSubmitted
from services.gateway.facts import publish, publish_change
from services.gateway.references import find_model
from services.gateway.resources import to_model
from services.gateway.revision import revise
from services.gateway.uploads import Upload, check_model_name
from services.gateway.verdicts import Verdicts
from services.kit.errors import Conflict, Refused
from services.kit.platform import Platform
from services.kit.store.port import Cursor, Page, Records
from services.kit.store.records import Blob, ModelRecord, Record

R = TypeVar("R", bound=Record)

_MEDIA_TYPE = "application/octet-stream"
_PAGE = 200
_ROUNDS = 5
_AFTER_CHECK_S = 5.0
"""How much longer than the trial run its verdict may take to arrive."""


class Models:
    """The models of every tenant."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._records = platform.store.models
        self._files = platform.store.model_files
        self._verdicts = Verdicts(platform)
        platform.catalog.on_change(self._verdicts.hear)

    async def submit(self, tenant: str, upload: Upload) -> tuple[ModelRecord, bool]:
        """Register a model and ask for its check; return it and whether it is new.

        The same upload again gives the same model. While that one has no verdict the file is stored and the check
        asked for again: whatever a crash left undone is done then.

        Raises:
            Refused: name_taken, body_too_large, invalid_parameter.
            Unavailable: store or bus are away; send the same again.
        """
        check_model_name(upload.name)
        record, created = await self._register(tenant, upload)
        if record.status == "checking":
            await self._store_file(record, upload.data)
            submitted = ModelSubmitted(model_id=record.id, digest=record.digest, submitted_at=record.created_at)
            # The same upload is the same fact, however often it is sent.
            await publish(self._platform, tenant, submitted, event_id=record.id.replace(MODEL, EVENT, 1))
        return record, created

    async def verdict(self, record: ModelRecord) -> ModelRecord:
        """Wait for the verdict on a model as long as its trial run may take; return the record as it is then."""
        return await self._verdicts.wait(record, self._platform.settings.model_check_s + _AFTER_CHECK_S)

    async def find(self, tenant: str, reference: str) -> ModelRecord:
        """Return the model of that ID or name.

        Raises:
            Refused: model_not_found.
        """
        return await find_model(self._platform.store, tenant, reference)

    async def update(self, tenant: str, reference: str, wanted: ModelUpdate) -> ModelRecord:
        """Change the fields that were sent.

        Raises:
            Refused: model_not_found, name_taken, edited_meanwhile, invalid_parameter.
        """
        record = await self.find(tenant, reference)
        sent = {name: getattr(wanted, name) for name in wanted.model_fields_set}
        for name, value in sent.items():
            if value is None:
                raise Refused("invalid_parameter", f"{name}: leave it out to keep it; it cannot be null")
        if "name" in sent:
            check_model_name(sent["name"])

        async def change(current: ModelRecord) -> Mapping[str, object]:
            return {name: value for name, value in sent.items() if getattr(current, name) != value}

        revised = await revise(self._records, record, change, self._platform.clock)
        if revised.revision != record.revision:
            await self._tell(revised)
        return revised

    async def delete(self, tenant: str, reference: str) -> None:
        """Delete a model that no detector binds, and its file unless another model is the same file.

        Raises:
            Refused: model_not_found, model_in_use, edited_meanwhile.
        """
        record = await self.find(tenant, reference)

        async def change(current: ModelRecord) -> Mapping[str, datetime]:
            async for detector in _all(self._platform.store.detectors, tenant):
                if detector.model_id == current.id:
                    raise Refused("model_in_use", "bind another model to its detectors, or none, before you delete it")
            return {"removed_at": self._platform.clock.now()}

        removed = await revise(self._records, record, change, self._platform.clock)
        await self._forget_file(removed)
        await self._tell(removed)

    async def page(self, tenant: str, cursor: Cursor | None, limit: int) -> Page[Model]:
        """List newest first."""
        page = await self._records.page(tenant, cursor, limit)
        return Page([to_model(record) for record in page.items], page.next)

    async def _register(self, tenant: str, upload: Upload) -> tuple[ModelRecord, bool]:
        for _ in range(_ROUNDS):
            holder = await self._records.by_name(tenant, upload.name)
            if holder is not None:
                if holder.digest != upload.digest or holder.manifest != upload.manifest:
                    raise Refused("name_taken", "another model, or another manifest, has this name")
                return holder, False
            now = self._platform.clock.now()
            record = ModelRecord(
                tenant=tenant,
                id=new_id(MODEL, now),
                name=upload.name,
                description=upload.description,
                digest=upload.digest,
                size_bytes=len(upload.data),
                manifest=upload.manifest,
                created_at=now,
                updated_at=now,
            )
            try:
                await self._records.insert(record)
            except Conflict:
                continue  # somebody took the name just now, maybe with the very same upload
            return record, True
        raise Refused("edited_meanwhile")

    async def _store_file(self, record: ModelRecord, data: bytes) -> None:
        # After the record, so that whoever deletes another model with this file sees that it is still used.
        blob = Blob(tenant=record.tenant, sha256=record.digest, media_type=_MEDIA_TYPE, data=data)
        try:
            await self._files.put(blob)
        except Refused as error:
            await self.delete(record.tenant, record.id)
            raise Refused("body_too_large", error.detail) from error

    async def _forget_file(self, removed: ModelRecord) -> None:
        async for model in _all(self._records, removed.tenant):
            if model.digest == removed.digest and model.status != "rejected":
                return
        await self._files.delete(removed.tenant, removed.digest)

    async def _tell(self, record: ModelRecord) -> None:
        changed = ModelChanged(model_id=record.id, revision=record.revision)
        await publish_change(self._platform, record.tenant, changed)


async def _all(records: Records[R], tenant: str) -> AsyncIterator[R]:
    """Go through every record of the tenant that is not removed."""
    cursor: Cursor | None = None
    while True:
        page = await records.page(tenant, cursor, _PAGE)
        for record in page.items:
            yield record
        cursor = page.next
        if cursor is None:
            return
