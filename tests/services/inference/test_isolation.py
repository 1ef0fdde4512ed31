"""What may have killed a worker is run in a child process: poison is told apart from what was only near it."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from contracts.topics import IMAGE_QUERIES
from contracts.v1.image_query import ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.query import QueryFailed
from services.inference.answering import Answering
from services.inference.engine import RunFailed
from services.inference.isolation import Isolation
from services.inference.preprocess import Batch
from services.kit.bus.codec import encode, event_of
from services.kit.bus.outcomes import Done, Outcome, Retry, Work
from services.kit.errors import Unavailable
from services.kit.metrics import Metrics
from services.kit.store.records import ModelRecord
from tests.support import onnx_models
from tests.support.inference import TENANT, Workshop, answering_of, gray_jpeg

POISON_LEVEL = 200
_GIB = 1024**3


@pytest.fixture
async def isolation(shop: Workshop) -> AsyncIterator[Isolation]:
    async with AsyncExitStack() as stack:
        made = Isolation(shop.platform.store.model_files, Metrics(), memory_bytes=2 * _GIB, limit_s=20)
        await made.start(stack)
        yield made


def image(level: int) -> Batch:
    return np.full((1, 3, onnx_models.SIDE, onnx_models.SIDE), level / 255, np.float32)


async def label(isolation: Isolation, record: ModelRecord, level: int) -> str:
    model = await isolation.get(record)
    scores, _ = await isolation.runner.run(model, image(level), lambda outputs: outputs[0])
    return onnx_models.LABELS[int(scores.argmax())]


async def code(isolation: Isolation, record: ModelRecord, level: int = 10) -> str:
    with pytest.raises(RunFailed) as caught:
        await label(isolation, record, level)
    return caught.value.code


def child_of(isolation: Isolation) -> int:
    assert isolation._child is not None
    return isolation._child._process.pid


def test_the_poison_is_real() -> None:
    """It ends any process in which its model sees that image."""
    script = (
        "from tests.support import onnx_models as m; from services.inference.onnx_engine import OnnxEngine; "
        "import numpy as np; model = OnnxEngine(1).load(m.poison_model(), m.brightness_manifest()); "
        "print(model.run(np.zeros((3, 3, 8, 8), np.float32)).shape, flush=True); "
        f"model.run(np.full((1, 3, 8, 8), {POISON_LEVEL} / 255, np.float32))"
    )
    root = Path(__file__).parents[3]
    died = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, timeout=60, check=False)
    assert (died.returncode, died.stdout) == (-signal.SIGFPE, b"(3, 2)\n")


async def test_poison_costs_the_child_and_its_neighbours_are_answered(shop: Workshop, isolation: Isolation) -> None:
    record = await shop.add_model(onnx_models.poison_model())
    assert await label(isolation, record, 20) == "dark"
    assert await code(isolation, record, POISON_LEVEL) == "worker_crashed"
    assert await label(isolation, record, 250) == "bright"


async def test_one_child_serves_several_models_one_after_the_other(shop: Workshop, isolation: Isolation) -> None:
    first = await shop.add_model()
    second = await shop.add_model(onnx_models.brightness_model(inverted=True), name="inverted")
    labels = [await label(isolation, record, 250) for record in (first, second, second, first)]
    assert labels == ["bright", "dark", "dark", "bright"]


async def test_a_child_that_somebody_else_ends_is_no_verdict_on_the_image(shop: Workshop, isolation: Isolation) -> None:
    record = await shop.add_model()
    assert await label(isolation, record, 20) == "dark"
    os.kill(child_of(isolation), signal.SIGKILL)
    assert await label(isolation, record, 250) == "bright"


@pytest.mark.parametrize("memory_bytes", [_GIB // 8, 2 * _GIB])
async def test_the_limit_on_memory_holds(shop: Workshop, memory_bytes: int) -> None:
    async with AsyncExitStack() as stack:
        isolation = Isolation(shop.platform.store.model_files, Metrics(), memory_bytes=memory_bytes, limit_s=20)
        await isolation.start(stack)
        record = await shop.add_model()
        if memory_bytes > _GIB:
            assert await label(isolation, record, 20) == "dark"
        else:
            assert await code(isolation, record) in {"worker_crashed", "too_much_memory"}


async def test_a_run_that_does_not_end_is_stopped(shop: Workshop) -> None:
    async with AsyncExitStack() as stack:
        isolation = Isolation(shop.platform.store.model_files, Metrics(), memory_bytes=2 * _GIB, limit_s=4)
        await isolation.start(stack)
        endless = await shop.add_model(onnx_models.slow_model())
        assert await code(isolation, endless) == "too_slow"
        good = await shop.add_model(name="good")
        assert await label(isolation, good, 20) == "dark"


async def test_a_child_that_starts_slowly_is_no_verdict_on_the_image(shop: Workshop) -> None:
    async with AsyncExitStack() as stack:
        isolation = Isolation(shop.platform.store.model_files, Metrics(), memory_bytes=2 * _GIB, limit_s=0.01)
        await isolation.start(stack)
        with pytest.raises(Unavailable, match="slow to start"):
            await label(isolation, await shop.add_model(), 20)


async def test_a_file_that_is_not_the_one_that_was_checked_is_not_run(shop: Workshop, isolation: Isolation) -> None:
    model = await isolation.get(await shop.add_model())
    changed = type(model)(isolation, model.record, model.data + b"\0")
    with pytest.raises(RunFailed, match="digest_mismatch"):
        await isolation.runner.run(changed, image(10), lambda outputs: outputs)


async def test_the_child_ends_with_its_worker(shop: Workshop) -> None:
    async with AsyncExitStack() as stack:
        isolation = Isolation(shop.platform.store.model_files, Metrics(), memory_bytes=2 * _GIB, limit_s=20)
        await isolation.start(stack)
        await label(isolation, await shop.add_model(), 20)
        child = child_of(isolation)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.fixture
async def answering(shop: Workshop) -> AsyncIterator[Answering]:
    async with AsyncExitStack() as stack:
        yield await answering_of(shop.platform, stack)


async def outcome_of(answering: Answering, query: ImageQuerySubmitted, returned: int) -> Outcome:
    event = event_of(query, source="test", tenant=TENANT, at=query.submitted_at)
    (outcome,) = await answering.handle([Work(event, returned + 1, False, encode(event), returned)])
    return outcome


async def handled(answering: Answering, query: ImageQuerySubmitted, returned: int) -> object:
    outcome = await outcome_of(answering, query, returned)
    assert isinstance(outcome, Done)
    return outcome.events[0].payload


async def test_a_suspect_is_answered_like_any_other_or_fails_for_good(shop: Workshop, answering: Answering) -> None:
    detector = await shop.add_detector(await shop.add_model(onnx_models.poison_model()))
    innocent, poison = (shop.query(detector, gray_jpeg(level)) for level in (20, POISON_LEVEL))

    answered = await handled(answering, innocent, 2)
    assert isinstance(answered, ImageQueryAnswered)
    assert (answered.answers[0].label, answered.answers[0].attempt) == ("dark", 3)

    failed = await handled(answering, poison, 2)
    assert isinstance(failed, QueryFailed)
    assert (failed.query_id, failed.reason, failed.attempts) == (poison.query_id, "worker_crashed", 3)
    assert IMAGE_QUERIES.retry.attempts > failed.attempts


async def test_a_suspect_is_not_retried_for_ever_where_no_child_can_be_started(
    shop: Workshop, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = shop.query(await shop.add_detector(await shop.add_model()), gray_jpeg(20))
    assert isinstance(await outcome_of(answering, query, 0), Done)  # its image can be decoded
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    outcome = await outcome_of(answering, query, 2)
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.blameless) == ("isolation_unavailable", False)
