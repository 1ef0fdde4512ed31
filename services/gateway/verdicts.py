"""Waiting for the verdict on an uploaded model."""

import asyncio
import contextlib

from services.kit.platform import Platform
from services.kit.store.records import ModelRecord

_RECHECK_S = 2.0
"""How often the record is read although no change was heard: `model.changed` may be lost."""


class Verdicts:
    """Lets requests wait until a model is no longer being checked."""

    def __init__(self, platform: Platform) -> None:
        self._models = platform.store.models
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def hear(self, _tenant: str, record_id: str) -> None:
        """Wake whoever waits for the model; called after any change of a record."""
        for event in self._waiting.get(record_id, ()):
            event.set()

    async def wait(self, record: ModelRecord, timeout_s: float) -> ModelRecord:
        """Return the record once it has a verdict or was removed, else as it is after `timeout_s`."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        changed = asyncio.Event()
        self._waiting.setdefault(record.id, set()).add(changed)
        try:
            while True:
                changed.clear()
                record = await self._models.get(record.tenant, record.id) or record
                remaining_s = deadline - asyncio.get_running_loop().time()
                if record.status != "checking" or record.removed_at is not None or remaining_s <= 0:
                    return record
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(_RECHECK_S, remaining_s)):
                        await changed.wait()
        finally:
            self._forget(record.id, changed)

    def _forget(self, record_id: str, changed: asyncio.Event) -> None:
        waiting = self._waiting[record_id]
        waiting.discard(changed)
        if not waiting:
            del self._waiting[record_id]
