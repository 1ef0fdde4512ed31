"""Runs of models in a child process, for images that may have killed a worker twice.

If it is true of one, the child dies of it and the worker lives. An image that was only near it gets its answer.
"""

import asyncio
import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from services.inference.child_process import Child
from services.inference.engine import Halt, RunFailed
from services.inference.isolation_messages import Ran, Run
from services.inference.preprocess import Batch
from services.inference.running import Runner
from services.kit.errors import NotFound, Unavailable
from services.kit.metrics import Metrics
from services.kit.store.port import Blobs
from services.kit.store.records import ModelRecord

log = structlog.get_logger(__name__)

WORKER_CRASHED = "worker_crashed"
"""`RunFailed.code` of an image whose run ends its process."""
_TRIES = 2
"""A child may also be ended from outside, or by its idleness."""
_START_S = 60.0


class Isolation:
    """One child process, with one model at a time; its models run in its own runner, one after the other."""

    def __init__(self, files: Blobs, metrics: Metrics, *, memory_bytes: int, limit_s: float) -> None:
        self.runner = Runner(metrics, limit_s=limit_s)
        self._files = files
        self._memory_bytes = memory_bytes
        self._limit_s = limit_s
        self._child: Child | None = None
        self._loaded = ""

    async def start(self, stack: AsyncExitStack) -> None:
        """Leaving `stack` ends the child."""
        stack.push_async_callback(asyncio.to_thread, self._drop)
        await self.runner.start(stack)

    async def get(self, record: ModelRecord) -> "IsolatedModel":
        """Return the model, not loaded yet: that, too, is left to the child.

        Raises:
            NotFound: its file is not in the store.
            Unavailable: the store is away.
        """
        blob = await self._files.get(record.tenant, record.digest)
        if blob is None:
            raise NotFound(f"the file of model {record.name} is not in the store")
        return IsolatedModel(self, record, blob.data)

    def run(self, record: ModelRecord, data: bytes, image: Batch, halt: Halt | None) -> NDArray[np.floating]:
        """Return the outputs for one image. Blocks; called by one thread at a time.

        Raises:
            RunFailed: as `engine.LoadedModel.run`, and worker_crashed when the child dies of it.
            Unavailable: no child can be started, or not in time.
        """
        if hashlib.sha256(data).hexdigest() != record.digest:
            raise RunFailed("digest_mismatch", "the stored model is not the one that was checked")
        for _ in range(_TRIES):
            try:
                reply, outputs = self._ask(record, data, image, halt)
            except (EOFError, OSError) as error:
                self._drop()
                if isinstance(error, TimeoutError) or (halt is not None and halt.asked):
                    raise RunFailed("too_slow", "the run took too long and was stopped") from None
                continue
            if reply.code is not None:
                self._loaded = ""
                raise RunFailed(reply.code, reply.detail)
            return np.frombuffer(outputs, np.dtype(reply.dtype)).reshape(reply.shape)
        log.error("inference.poison", model_id=record.id, digest=record.digest)
        raise RunFailed(WORKER_CRASHED, f"the run of the model {record.name} on this image ends its process")

    def _ask(self, record: ModelRecord, data: bytes, image: Batch, halt: Halt | None) -> tuple[Ran, bytearray]:
        if self._child is None:
            self._child = Child("services.inference.isolation_child", str(self._memory_bytes), limit_s=_START_S)
            if halt is not None and halt.asked:  # no fault of model or image; it is there for the next attempt
                raise Unavailable("the process for what may kill a worker was slow to start")
        model = b"" if self._loaded == record.digest else data
        if halt is not None:
            halt.on_stop(self._child.kill)
        question = Run(manifest=record.manifest, model_bytes=len(model))
        answer = self._child.ask(question, model, image.data, answer=Ran, limit_s=self._limit_s + _START_S)
        self._loaded = record.digest
        return answer

    def _drop(self) -> None:
        child, self._child, self._loaded = self._child, None, ""
        if child is not None:
            child.close()


@dataclass(frozen=True, slots=True, eq=False)
class IsolatedModel:
    """A model that runs in the child."""

    isolation: Isolation
    record: ModelRecord
    data: bytes

    def run(self, batch: Batch, halt: Halt | None = None) -> NDArray[np.floating]:
        """See `Isolation.run`; the batch is one image."""
        return self.isolation.run(self.record, self.data, batch, halt)
