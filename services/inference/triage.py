"""Decides from the control plane alone what becomes of a query: nothing is decoded for one that cannot be answered."""

from dataclasses import dataclass
from typing import cast

import structlog

from contracts.base import Payload
from contracts.events import Event
from contracts.v1.image_query import ImageQuerySubmitted
from services.inference import facts
from services.inference.constants import constant_answer
from services.kit.bus.outcomes import Done, Outcome, Reject, Retry, Work
from services.kit.catalog import Catalog
from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.store.records import DetectorRecord, ModelRecord

log = structlog.get_logger(__name__)

_LONGEST_QUEUE_S = 1e9
_Pair = tuple[DetectorRecord, ModelRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A query that a model is to answer."""

    event: Event[ImageQuerySubmitted]
    attempt: int
    last_attempt: bool
    suspect: bool
    detector: DetectorRecord
    model: ModelRecord
    queue_s: float

    @property
    def query(self) -> ImageQuerySubmitted:
        """What was asked."""
        return self.event.payload


class Triage:
    """Sorts queries by what the catalogue says of their detectors and models."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def sort(self, work: Work) -> Ask | Outcome:
        """Return the query with its model, or its outcome when no model is to see it."""
        if not isinstance(work.event.payload, ImageQuerySubmitted):
            return Reject("unexpected_type", f"{work.event.type} is not for this queue")
        event = cast("Event[ImageQuerySubmitted]", work.event)
        now, query = self._clock.now(), event.payload
        if query.expires_at is not None and query.expires_at <= now:
            return Done([facts.expired(event, at=now)], proves=False)
        try:
            found = await self._model_for(event, work)
        except Unavailable as error:
            return Retry("store_unavailable", str(error), delay_s=error.after_s, blameless=True)
        if not isinstance(found, tuple):
            return found
        detector, model = found
        waited_s = (now - query.submitted_at).total_seconds()
        return Ask(
            event=event,
            attempt=work.attempt,
            last_attempt=work.last_attempt,
            suspect=work.suspect,
            detector=detector,
            model=model,
            queue_s=min(max(waited_s, 0.0), _LONGEST_QUEUE_S),  # by two machines' clocks
        )

    async def _model_for(self, event: Event[ImageQuerySubmitted], work: Work) -> _Pair | Outcome:
        detector_id = event.payload.detector_id
        detector = await self._catalog.detector(event.tenant, detector_id)
        if detector is None:
            return self._fail(work, event, "unknown_detector", f"there is no detector {detector_id}")
        if detector.removed_at is not None:
            return self._fail(work, event, "detector_deleted", f"the detector {detector.name} was deleted")
        if detector.model_id is None and detector.constant is not None:
            return self._constant(work, event, detector, detector.constant)
        if detector.model_id is None:
            return self._hold(event, "no_model", detector)
        model = await self._catalog.model(event.tenant, detector.model_id)
        if model is None:
            return self._fail(work, event, "model_missing", f"the model of the detector {detector.name} is not there")
        return self._usable(work, event, detector, model)

    def _usable(
        self, work: Work, event: Event[ImageQuerySubmitted], detector: DetectorRecord, model: ModelRecord
    ) -> _Pair | Outcome:
        if model.status == "checking" and model.removed_at is None and not work.last_attempt:
            return Retry("model_checking", model.id)  # in the end held: a check may take longer than our attempts
        if model.status != "ready" or model.removed_at is not None:
            return self._hold(event, "model_not_ready", detector, model)
        return detector, model

    def _constant(
        self, work: Work, event: Event[ImageQuerySubmitted], detector: DetectorRecord, pipeline: str
    ) -> Outcome:
        answer = constant_answer(event, detector, pipeline, attempt=work.attempt, at=self._clock.now())
        return Done([facts.answered([answer], tenant=event.tenant, lane=event.lane)], proves=False)

    def _fail(self, work: Work, event: Event[ImageQuerySubmitted], reason: str, detail: str) -> Outcome:
        log.warning("inference.failed", query_id=event.payload.query_id, reason=reason)
        return Done([facts.failed(event, reason, detail, attempts=work.attempt, at=self._clock.now())], proves=False)

    def _hold(
        self,
        event: Event[ImageQuerySubmitted],
        reason: str,
        detector: DetectorRecord,
        model: ModelRecord | None = None,
    ) -> Outcome:
        log.info("inference.held", query_id=event.payload.query_id, detector_id=detector.id, reason=reason)
        because = f"{detector.revision}.{model.revision if model else 0}"
        held: Event[Payload] = facts.held(event, reason, because=because, at=self._clock.now())
        return Done([held], proves=False)
