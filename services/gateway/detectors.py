"""Detectors: create, find, change, delete; each change is told to the caches."""

from collections.abc import Mapping
from datetime import datetime

from contracts.http.detectors import Detector, DetectorCreate, DetectorUpdate
from contracts.http.queries import BOUNDING_BOX, GREATER_THAN_MAX, NO_OBJECTS, UNCLEAR
from contracts.ids import DETECTOR, is_id, new_id
from contracts.v1.control import DetectorChanged
from services.gateway.bodies import to_metadata_text
from services.gateway.facts import publish, publish_change
from services.gateway.fitting import Fitting, Wish
from services.gateway.references import LONGEST_NAME
from services.gateway.resources import to_detector
from services.gateway.revision import revise
from services.kit.errors import Conflict, Refused
from services.kit.platform import Platform
from services.kit.store.port import Cursor, Page
from services.kit.store.records import DetectorRecord

BINARY = ("NO", "YES")
_OF_OBJECTS = frozenset({"count", "bounding_box"})
_FIXED = {"binary": BINARY, "bounding_box": (NO_OBJECTS, BOUNDING_BOX, GREATER_THAN_MAX), "count": (), "text": ()}
"""The labels of the modes that have no choice; numbers and texts are not listed."""
_MOST_OBJECTS = 10
_MOST_CHARACTERS = 250
_NULLABLE = frozenset({"model", "metadata"})


class Detectors:
    """The detectors of every tenant."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._records = platform.store.detectors
        self._fitting = Fitting(platform.store, platform.settings.default_models)

    async def create(self, tenant: str, wanted: DetectorCreate) -> Detector:
        """Store a new detector.

        Raises:
            Refused: name_taken, or what makes the request wrong.
        """
        return await self.resource(await self.make(tenant, wanted))

    async def make(
        self, tenant: str, wanted: DetectorCreate, *, key: str | None = None, constant: str | None = None
    ) -> DetectorRecord:
        """Store a new detector, or return the one that a call with the same `key` has made.

        `constant` names a pipeline that answers where no model is bound.

        Raises:
            Refused: name_taken, or what makes the request wrong.
        """
        record = (await self._record(tenant, wanted)).model_copy(update={"made_with": key, "constant": constant})
        try:
            await self._records.insert(record)
        except Conflict:
            holder = await self._records.by_name(tenant, record.name)
            if key is not None and holder is not None and holder.made_with == key:
                return holder
            raise Refused("name_taken", "another detector has this name") from None
        await self._tell(record)
        return record

    async def _record(self, tenant: str, wanted: DetectorCreate) -> DetectorRecord:
        check_name(wanted.name)
        _check_fields(wanted)
        wish = Wish(mode=wanted.mode, labels=_labels_of(wanted), class_name=wanted.class_name)
        if "model" in wanted.model_fields_set:
            model_id = await self._fitting.bindable(tenant, wanted.model, wish)
        else:
            model_id = await self._fitting.default(tenant, wanted.name, wish)
        now = self._platform.clock.now()
        return DetectorRecord(
            tenant=tenant,
            id=new_id(DETECTOR, now),
            name=wanted.name,
            query=wanted.query,
            mode=wanted.mode,
            labels=wish.labels,
            class_name=wanted.class_name,
            max_objects=wanted.max_objects or (_MOST_OBJECTS if wanted.mode in _OF_OBJECTS else None),
            max_characters=wanted.max_characters or (_MOST_CHARACTERS if wanted.mode == "text" else None),
            group=wanted.group,
            confidence_threshold=wanted.confidence_threshold,
            patience_s=wanted.patience_s,
            model_id=model_id,
            lane=wanted.lane,
            metadata_json=to_metadata_text(wanted.metadata),
            created_at=now,
            updated_at=now,
        )

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
            check_name(sent["name"])
        if "metadata" in sent:
            sent["metadata_json"] = to_metadata_text(sent.pop("metadata"))
        if "model" in sent:
            wish = Wish(mode=record.mode, labels=record.labels, class_name=record.class_name)
            sent["model_id"] = await self._fitting.bindable(tenant, sent.pop("model"), wish)
        return await self.resource(await self.change(record, sent))

    async def change(self, record: DetectorRecord, sent: Mapping[str, object]) -> DetectorRecord:
        """Change fields that are known to be right.

        Raises:
            Refused: name_taken, edited_meanwhile.
            Unavailable: the change may be stored, but the bus is away; repeat it.
        """

        async def change(current: DetectorRecord) -> Mapping[str, object]:
            return {name: value for name, value in sent.items() if getattr(current, name) != value}

        revised = await revise(self._records, record, change, self._platform.clock)
        # Told even when nothing changed, and an error is the caller's: the queries that wait for a model hear of it so,
        # and repeating the request mends a message that did not get through.
        changed = DetectorChanged(detector_id=revised.id, revision=revised.revision)
        await publish(self._platform, revised.tenant, changed)
        return revised

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

    async def _tell(self, record: DetectorRecord) -> None:
        changed = DetectorChanged(detector_id=record.id, revision=record.revision)
        await publish_change(self._platform, record.tenant, changed)


def check_name(name: str) -> None:
    """Refuse a name that could be taken for something else.

    Raises:
        Refused: invalid_parameter.
    """
    if is_id(name, DETECTOR) or name in {".", ".."} or name != name.strip():
        detail = "name: it must not look like an ID, be `.` or `..`, or begin or end with a space"
        raise Refused("invalid_parameter", detail)


def _check_fields(wanted: DetectorCreate) -> None:
    """Refuse fields that have no meaning in the mode: they would be silently without effect."""
    if wanted.mode in _OF_OBJECTS and wanted.class_name is None:
        raise Refused("invalid_parameter", f"class_name: a {wanted.mode} detector needs the class of its objects")
    meant = {
        "labels": wanted.mode in {"binary", "multiclass"},
        "class_name": wanted.mode in _OF_OBJECTS,
        "max_objects": wanted.mode in _OF_OBJECTS,
        "max_characters": wanted.mode == "text",
    }
    for name, allowed in meant.items():
        if not allowed and getattr(wanted, name) is not None:
            raise Refused("invalid_parameter", f"{name}: a {wanted.mode} detector has none")


def _labels_of(wanted: DetectorCreate) -> tuple[str, ...]:
    if wanted.mode == "binary":
        if wanted.labels is not None and sorted(label.upper() for label in wanted.labels) != sorted(BINARY):
            raise Refused("invalid_parameter", "labels: a binary detector has NO and YES; for others use multiclass")
        return BINARY
    if wanted.mode != "multiclass":
        return _FIXED[wanted.mode]
    if wanted.labels is None:
        raise Refused("invalid_parameter", "labels: a multiclass detector needs its labels")
    if len({label.casefold() for label in wanted.labels}) != len(wanted.labels):
        raise Refused("invalid_parameter", "labels: they must differ by more than upper and lower case")
    if any(not label.strip() or label.casefold() == UNCLEAR.casefold() for label in wanted.labels):
        raise Refused("invalid_parameter", f"labels: none may be blank or {UNCLEAR}, which means no answer")
    return wanted.labels
