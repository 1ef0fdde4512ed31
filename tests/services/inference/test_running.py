import asyncio
import threading
from contextlib import AsyncExitStack

import numpy as np
import pytest
from numpy.typing import NDArray

from services.inference.engine import Halt, LoadedModel, RunFailed, Signature
from services.inference.onnx_engine import OnnxEngine
from services.inference.preprocess import Batch
from services.inference.running import Runner
from services.kit.metrics import Metrics
from tests.support import onnx_models
from tests.support.onnx_models import brightness_manifest

ONE = np.ones((1, 3, 8, 8), np.float32)


class _Noted:
    """A model that says when it begins to run."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self.began = threading.Event()

    @property
    def signature(self) -> Signature:
        return self._model.signature

    def run(self, batch: Batch, halt: Halt | None = None) -> NDArray[np.floating]:
        self.began.set()
        return self._model.run(batch, halt)


@pytest.mark.parametrize("at_once", [1, 2])
async def test_a_bounded_number_of_runs_at_once(at_once: int) -> None:
    model = OnnxEngine(threads=1).load(onnx_models.brightness_model(), brightness_manifest())
    inside, most = 0, 0
    lock, together = threading.Lock(), threading.Barrier(at_once)

    def read(outputs: NDArray[np.floating]) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        if at_once > 1:
            together.wait(20)
        else:
            np.linalg.inv(np.eye(200))  # long enough for another to come between
        with lock:
            inside -= 1
        return len(outputs)

    async with AsyncExitStack() as stack:
        runner = Runner(Metrics(), at_once=at_once)
        await runner.start(stack)
        results = await asyncio.gather(*(runner.run(model, ONE, read) for _ in range(20)))
    assert [count for count, _ in results] == [1] * 20
    assert all(seconds > 0 for _, seconds in results)
    assert most == at_once


async def test_the_event_loop_goes_on_during_a_run_and_a_run_that_takes_too_long_is_stopped() -> None:
    model = OnnxEngine(threads=1).load(onnx_models.slow_model(), brightness_manifest())
    turns = 0
    async with AsyncExitStack() as stack:
        runner = Runner(Metrics(), limit_s=0.5)
        await runner.start(stack)
        run = asyncio.create_task(runner.run(model, ONE, len))
        while not run.done():
            await asyncio.sleep(0.01)
            turns += 1
        with pytest.raises(RunFailed) as failed:
            await run
    assert failed.value.code == "too_slow"
    assert turns > 5


async def test_a_cancelled_run_frees_the_thread() -> None:
    slow = _Noted(OnnxEngine(threads=1).load(onnx_models.slow_model(), brightness_manifest()))
    quick = OnnxEngine(threads=1).load(onnx_models.brightness_model(), brightness_manifest())
    async with AsyncExitStack() as stack:
        runner = Runner(Metrics(), limit_s=30.0)
        await runner.start(stack)
        run = asyncio.create_task(runner.run(slow, ONE, len))
        await asyncio.to_thread(slow.began.wait, 10)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        async with asyncio.timeout(10):
            assert (await runner.run(quick, ONE, len))[0] == 1
