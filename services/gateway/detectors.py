"""Detectors: create, find, change, delete; each change is told to the caches."""

from collections.abc import Mapping
from datetime import datetime

from contracts.http.detectors import Detector, DetectorCreate, DetectorUpdate
from contracts.http.queries import UNCLEAR
from contracts.ids import DETECTOR, is_id, new_id
from contracts.v1.control import DetectorChanged
from services.gateway.bodies import to_metadata_text
from services.gateway.facts import publish, publish_change
from services.gateway.references import LONGEST_NAME, find_model
from services.gateway.resources import to_detector
from services.gateway.revision import revise
from services.kit.errors import Conflict, Refused
from services.kit.platform import Platform
from services.kit.store.port import Cursor, Page
from services.kit.store.records import DetectorRecord

BINARY = ("NO", "YES")
_NULLABLE = frozenset({"model", "metadata"})


class Detectors:
    """The detectors of every tenant."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._records = platform.store.detectors

    async def create(self, tenant: str, wanted: DetectorCreate) -> Detector:
        """Store a new detector.

        Raises:
            Refused: name_taken, or what makes the request wrong.
        """
        _check_name(wanted.name)
        labels = _labels_of(wanted)
        now = self._platform.clock.now()
        record = DetectorRecord(
            tenant=tenant,
            id=new_id(DETECTOR, now),
            name=wanted.name,
            query=wanted.query,
            mode=wanted.mode,
            labels=labels,
            confidence_threshold=wanted.confidence_threshold,
            patience_s=wanted.patience_s,
            model_id=await self._bindable(tenant, wanted.model, labels),
            lane=wanted.lane,
            metadata_json=to_metadata_text(wanted.metadata),
            created_at=now,
            updated_at=now,
        )
        try:
            await self._records.insert(record)
        except Conflict:
            raise Refused("name_taken", "another detector has this name") from None
        await self._tell(record)
        return await self.resource(record)

    async def find(self, tenant: str, reference: str) -> DetectorRecord:
        """Return the detector of that ID or name; a deleted one is found by its ID, and is gone.

        Raises:
            Refused: detector_not_found, detector_gone.
        """
        record = await self.find_any(tenant, reference)
        if record.removed_at is not None:
            raise Refused("detector_gone")
        return record

    async def find_any(self, tenant: str, reference: str) -> DetectorRecord:
        """Return the detector of that ID, deleted or not, or the present one of that name.

        Raises:
            Refused: detector_not_found.
        """
        record = None
        if is_id(reference, DETECTOR):
            record = await self._records.get(tenant, reference)
        elif len(reference) <= LONGEST_NAME:
            record = await self._records.by_name(tenant, reference)
        if record is None:
            raise Refused("detector_not_found")
        return record

    async def update(self, tenant: str, reference: str, wanted: DetectorUpdate) -> Detector:
        """Change the fields that were sent.

        Raises:
            Refused: detector_not_found, detector_gone, name_taken, edited_meanwhile, or what is wrong with a field.
            Unavailable: the change may be stored, but the bus is away; repeat it.
        """
        record = await self.find(tenant, reference)
        sent = {name: getattr(wanted, name) for name in wanted.model_fields_set}
        for name, value in sent.items():
            if value is None and name not in _NULLABLE:
                raise Refused("invalid_parameter", f"{name}: leave it out to keep it; it cannot be null")
        if "name" in sent:
            _check_name(sent["name"])
        if "metadata" in sent:
            sent["metadata_json"] = to_metadata_text(sent.pop("metadata"))
        if "model" in sent:
            sent["model_id"] = await self._bindable(tenant, sent.pop("model"), record.labels)

        async def change(current: DetectorRecord) -> Mapping[str, object]:
            return {name: value for name, value in sent.items() if getattr(current, name) != value}

        revised = await revise(self._records, record, change, self._platform.clock)
        # Told even when nothing changed, and an error is the caller's: the queries that wait for a model hear of it so,
        # and repeating the request mends a message that did not get through.
        await publish(self._platform, tenant, DetectorChanged(detector_id=revised.id, revision=revised.revision))
        return await self.resource(revised)

    async def delete(self, tenant: str, reference: str) -> None:
        """Delete; its queries stay, and its name is free again.

        Raises:
            Refused: detector_not_found, detector_gone.
        """
        record = await self.find(tenant, reference)

        async def change(_current: DetectorRecord) -> Mapping[str, datetime]:
            return {"removed_at": self._platform.clock.now()}

        await self._tell(await revise(self._records, record, change, self._platform.clock))

    async def page(self, tenant: str, cursor: Cursor | None, limit: int) -> Page[Detector]:
        """List newest first."""
        page = await self._records.page(tenant, cursor, limit)
        return Page([await self.resource(record) for record in page.items], page.next)

    async def resource(self, record: DetectorRecord) -> Detector:
        """Return a detector as its readers see it, with its model's name."""
        model = None
        if record.model_id is not None:
            model = await self._platform.catalog.model(record.tenant, record.model_id)
        return to_detector(record, model)

    async def _bindable(self, tenant: str, reference: str | None, labels: tuple[str, ...]) -> str | None:
        """Return the ID of a model that may answer for a detector with these labels."""
        if reference is None:
            return None
        model = await find_model(self._platform.store, tenant, reference)
        if model.status != "ready":
            raise Refused("model_not_ready", f"its status is {model.status}")
        if set(model.manifest.output.labels) != set(labels):
            raise Refused("labels_mismatch", f"the detector has {_list(labels)}; see the model's manifest for its own")
        return model.id

    async def _tell(self, record: DetectorRecord) -> None:
        changed = DetectorChanged(detector_id=record.id, revision=record.revision)
        await publish_change(self._platform, record.tenant, changed)


def _check_name(name: str) -> None:
    if is_id(name, DETECTOR) or name in {".", ".."} or name != name.strip():
        detail = "name: it must not look like an ID, be `.` or `..`, or begin or end with a space"
        raise Refused("invalid_parameter", detail)


def _labels_of(wanted: DetectorCreate) -> tuple[str, ...]:
    if wanted.mode == "binary":
        if wanted.labels is not None and sorted(label.upper() for label in wanted.labels) != sorted(BINARY):
            raise Refused("invalid_parameter", "labels: a binary detector has NO and YES; for others use multiclass")
        return BINARY
    if wanted.labels is None:
        raise Refused("invalid_parameter", "labels: a multiclass detector needs its labels")
    if len({label.casefold() for label in wanted.labels}) != len(wanted.labels):
        raise Refused("invalid_parameter", "labels: they must differ by more than upper and lower case")
    if any(not label.strip() or label.casefold() == UNCLEAR.casefold() for label in wanted.labels):
        raise Refused("invalid_parameter", f"labels: none may be blank or {UNCLEAR}, which means no answer")
    return wanted.labels


def _list(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:20])
    return shown if len(labels) <= 20 else f"{shown} and {len(labels) - 20} more"
