"""Checks uploaded models: every file is tried in a limited child process before it may answer anything."""

import asyncio
import hashlib
from collections.abc import Sequence

import structlog

from contracts.v1.control import ModelChecked, ModelSubmitted
from services.inference.check_messages import Verdict
from services.inference.facts import model_checked
from services.inference.trial import try_model
from services.kit.bus.outcomes import Done, Outcome, Reject, Retry, Work
from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.settings import Settings
from services.kit.store.port import Store
from services.kit.store.records import ModelRecord

log = structlog.get_logger(__name__)


class ModelChecks:
    """The handler of the queue MODEL_CHECKS. A check done twice says the same under the same event id."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._limit_s = settings.model_check_s
        self._memory_bytes = settings.model_check_memory_bytes

    async def handle(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        """Check one after the other: two trials at once would share the processors and be too slow together."""
        return [await self._check(work) for work in batch]

    async def _check(self, work: Work) -> Outcome:
        payload = work.event.payload
        if not isinstance(payload, ModelSubmitted):
            return Reject("unexpected_type", f"{work.event.type} is not for this queue")
        try:
            record = await self._store.models.get(work.event.tenant, payload.model_id)
            if record is None:
                return Retry("model_missing", payload.model_id)
            if record.removed_at is not None or record.status != "checking" or record.digest != payload.digest:
                log.info("inference.check_not_needed", model_id=record.id, status=record.status)
                return Done()
            verdict = await self._judge(record)
        except Unavailable as error:
            if not work.last_attempt:
                return Retry("check_interrupted", str(error), delay_s=error.after_s)
            verdict = Verdict(accepted=False, reason="crashed", detail=f"the check could not be completed: {error}")
        log.info("inference.model_checked", model_id=payload.model_id, accepted=verdict.accepted, reason=verdict.reason)
        checked = ModelChecked(
            model_id=payload.model_id,
            digest=payload.digest,
            accepted=verdict.accepted,
            reason=verdict.reason,
            detail=verdict.detail[:2000],
            checked_at=self._clock.now(),
        )
        return Done([model_checked(checked, work.event)])

    async def _judge(self, record: ModelRecord) -> Verdict:
        blob = await self._store.model_files.get(record.tenant, record.digest)
        if blob is None:
            raise Unavailable("the model file is not in the store")
        if await asyncio.to_thread(_digest, blob.data) != record.digest:
            return Verdict(accepted=False, reason="digest_mismatch", detail="the stored file is not what was uploaded")
        return await try_model(blob.data, record.manifest, limit_s=self._limit_s, memory_bytes=self._memory_bytes)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
