"""Detectors and models as the doors and workers remember them: a small cache over the store.

`detector.changed` and `model.changed` drop what changed at once; they may be lost, so an entry is also read again
after a few seconds. A miss always reads the store, so that what was just created is found.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from contracts.topics import CHANGES
from contracts.v1.control import DetectorChanged, ModelChanged
from services.kit.bus.consume import Consumer
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.bus.port import Bus
from services.kit.metrics import Metrics
from services.kit.remembering import Remembering
from services.kit.soon import soon
from services.kit.store.port import Store
from services.kit.store.records import DetectorRecord, ModelRecord

_Key = tuple[str, str]


class Catalog:
    """Looks detectors and models up by ID; removed ones are returned, with `removed_at` set."""

    def __init__(self, bus: Bus, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._consumer = Consumer(bus, metrics, CHANGES, self._hear, batch=64)
        self._detectors: Remembering[_Key, DetectorRecord] = Remembering(lambda key: store.detectors.get(*key))
        self._models: Remembering[_Key, ModelRecord] = Remembering(lambda key: store.models.get(*key))
        self._listeners: list[Callable[[str, str], None]] = []

    async def start(self, stack: AsyncExitStack) -> None:
        """Listen for changes until `stack` is left."""
        await self._consumer.start(stack, drain_s=1.0)

    async def check(self) -> None:
        """Return if changes are heard; raise Unavailable otherwise."""
        await self._consumer.check()

    async def detector(self, tenant: str, detector_id: str) -> DetectorRecord | None:
        """Return the detector, at most a few seconds old."""
        return await self._detectors.get((tenant, detector_id))

    async def detector_named(self, tenant: str, name: str) -> DetectorRecord | None:
        """Return the detector of that name; always read from the store."""
        return await soon(self._store.detectors.by_name(tenant, name))

    async def model(self, tenant: str, model_id: str) -> ModelRecord | None:
        """Return the model, at most a few seconds old."""
        return await self._models.get((tenant, model_id))

    def on_change(self, listener: Callable[[str, str], None]) -> None:
        """Call `listener(tenant, id)` after a detector or model changed; it must be quick."""
        self._listeners.append(listener)

    async def _hear(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        for work in batch:
            tenant, payload = work.event.tenant, work.event.payload
            if isinstance(payload, DetectorChanged):
                self._detectors.drop((tenant, payload.detector_id))
                self._tell(tenant, payload.detector_id)
            elif isinstance(payload, ModelChanged):
                self._models.drop((tenant, payload.model_id))
                self._tell(tenant, payload.model_id)
        return [Done()] * len(batch)

    def _tell(self, tenant: str, record_id: str) -> None:
        for listener in self._listeners:
            listener(tenant, record_id)
