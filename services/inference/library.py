"""The models that this process has loaded."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import NamedTuple

import structlog

from contracts.http.models import Manifest
from services.inference.engine import Engine, EngineBroken, LoadedModel, ModelRejected
from services.inference.memory import give_back
from services.kit.errors import NotFound
from services.kit.store.port import Blobs
from services.kit.store.records import ModelRecord

log = structlog.get_logger(__name__)

_REMEMBER_FAILURE_S = 30.0
"""A model that cannot be loaded is not tried again for every batch."""

Key = tuple[str, str]


class _Entry(NamedTuple):
    digest: str
    loading: asyncio.Task[LoadedModel]


class _Failure(NamedTuple):
    digest: str
    until: float
    error: ModelRejected


class ModelLibrary:
    """Loads models when they are first needed and keeps them, by tenant and model.

    A model's file and manifest never change, so an entry is never outdated; `forget` only frees memory. Together they
    hold at most `memory_bytes`: those used least recently make room. The one loaded last always stays.
    """

    def __init__(self, files: Blobs, engine: Engine, *, memory_bytes: int) -> None:
        self._files = files
        self._engine = engine
        self._memory_bytes = memory_bytes
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._failures: dict[Key, _Failure] = {}
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="load-model")

    async def start(self, stack: AsyncExitStack) -> None:
        """Leaving `stack` forgets every model and ends the loading thread."""
        stack.push_async_callback(self._close)

    async def get(self, record: ModelRecord) -> LoadedModel:
        """Return the model, loaded. Callers at the same time share one load, which their cancellation does not stop.

        Raises:
            NotFound: its file is not in the store.
            ModelRejected: it cannot be loaded.
            Unavailable: the store is away.
        """
        key = (record.tenant, record.id)
        failure = self._failures.get(key)
        if failure is not None and failure.digest == record.digest and time.monotonic() < failure.until:
            raise failure.error
        entry = self._entries.get(key)
        if entry is None or entry.digest != record.digest:
            entry = _Entry(record.digest, asyncio.create_task(self._load(record), name=f"load {record.id}"))
            self._entries[key] = entry
        self._entries.move_to_end(key)
        try:
            return await asyncio.shield(entry.loading)
        except ModelRejected as error:
            self._failures[key] = _Failure(record.digest, time.monotonic() + _REMEMBER_FAILURE_S, error)
            raise
        finally:
            if entry.loading.done() and (entry.loading.cancelled() or entry.loading.exception() is not None):
                self._drop(key, entry)

    async def check_engine(self) -> None:
        """Tell a fault of a model from a fault of ours, which is not remembered. Raises EngineBroken."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._engine.check)
        except EngineBroken:
            self._failures.clear()
            raise

    def forget(self, tenant: str, record_id: str) -> None:
        """Free the model; it is loaded again when somebody needs it. Runs in progress are not disturbed."""
        self._failures.pop((tenant, record_id), None)
        entry = self._entries.get((tenant, record_id))
        if entry is not None and entry.loading.done():
            self._drop((tenant, record_id), entry)

    async def _load(self, record: ModelRecord) -> LoadedModel:
        blob = await self._files.get(record.tenant, record.digest)
        if blob is None:
            raise NotFound(f"the file of model {record.name} is not in the store")
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        model = await loop.run_in_executor(self._executor, self._read, blob.data, record.digest, record.manifest)
        log.info(
            "inference.model_loaded",
            model_id=record.id,
            digest=record.digest,
            seconds=round(time.monotonic() - began, 3),
        )
        if self._make_room((record.tenant, record.id), model.memory_bytes):
            loop.run_in_executor(self._executor, give_back)  # nobody waits: it may stand behind another load
        return model

    def _read(self, data: bytes, digest: str, manifest: Manifest) -> LoadedModel:
        if hashlib.sha256(data).hexdigest() != digest:
            raise ModelRejected("digest_mismatch", "the stored file is not the one that was checked")
        return self._engine.load(data, manifest)

    def _make_room(self, new: Key, needed_bytes: int) -> bool:
        """Drop models until the `new` one fits; return whether any was dropped. Runs in progress keep theirs."""
        held = {
            key: entry.loading.result().memory_bytes
            for key, entry in self._entries.items()
            if key != new and entry.loading.done() and not entry.loading.cancelled() and not entry.loading.exception()
        }
        over = sum(held.values()) + needed_bytes - self._memory_bytes
        dropped = False
        for key, size in held.items():  # the one used least recently first
            if over <= 0:
                break
            del self._entries[key]
            over, dropped = over - size, True
            log.info("inference.model_dropped", tenant=key[0], model_id=key[1], most_bytes=self._memory_bytes)
        return dropped

    def _drop(self, key: Key, entry: _Entry) -> None:
        if self._entries.get(key) is entry:
            del self._entries[key]

    async def _close(self) -> None:
        loads = [entry.loading for entry in self._entries.values()]
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        self._entries.clear()
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
