"""A worker whose engine fails for everything fails no query: it stops taking, says so, and the queue is kept."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.http.models import Manifest
from contracts.topics import DEAD, IMAGE_QUERIES
from services.inference.engine import EngineBroken, Halt, LoadedModel, ModelRejected, RunFailed, Signature
from services.inference.onnx_engine import OnnxEngine
from services.inference.preprocess import Batch
from tests.support.buses import expect_depth
from tests.support.images import damaged_jpeg
from tests.support.inference import Workshop, gray_jpeg, workshop
from tests.support.onnx_models import fails_when_bright_model
from tests.support.until import until

MOST = 5


class BadDeploy:
    """An engine of a version that does not work here."""

    def __init__(self, *, loads: bool) -> None:
        self.mended = False
        self._loads = loads
        self._engine = OnnxEngine(threads=1)

    def load(self, data: bytes, manifest: Manifest) -> LoadedModel:
        if not self.mended and not self._loads:
            raise ModelRejected("unsupported", "a bad deploy")
        return _Model(self, self._engine.load(data, manifest))

    def check(self) -> None:
        if not self.mended:
            raise EngineBroken("a bad deploy")


class _Model:
    def __init__(self, engine: BadDeploy, model: LoadedModel) -> None:
        self._engine = engine
        self._model = model

    @property
    def signature(self) -> Signature:
        return self._model.signature

    @property
    def memory_bytes(self) -> int:
        return self._model.memory_bytes

    def run(self, batch: Batch, halt: Halt | None = None) -> NDArray[np.floating]:
        if not self._engine.mended:
            raise RunFailed("run_failed", "a bad deploy")
        return self._model.run(batch, halt)


async def ready(shop: Workshop) -> bool:
    return not await shop.platform.health.problems()


@pytest.mark.parametrize("loads", [True, False])
async def test_a_broken_engine_fails_no_query_and_drains_no_queue(tmp_path: Path, *, loads: bool) -> None:
    engine = BadDeploy(loads=loads)
    async with workshop(tmp_path, breaker_failures=MOST, engine=engine) as shop:
        detector = await shop.add_detector(await shop.add_model())
        queries = [shop.query(detector, gray_jpeg(level)) for level in range(200, 240)]
        await shop.ask(*queries)
        await until(lambda: _is_open(shop))
        problem = (await shop.platform.health.problems())["inference"]
        assert "handler_failed" in problem
        assert "undo what was changed last" in problem
        await expect_depth(shop.platform.bus, DEAD)

        # Between two tries: mended after a run failed and before it is checked, the model would be to blame.
        await expect_depth(shop.platform.bus, IMAGE_QUERIES, ready=len(queries))
        engine.mended = True
        assert set(await shop.answers(len(queries))) == {query.query_id for query in queries}
        await until(lambda: ready(shop))
        await expect_depth(shop.platform.bus, IMAGE_QUERIES)


async def _is_open(shop: Workshop) -> bool:
    return not await ready(shop)


async def test_bad_images_and_a_bad_model_of_one_client_do_not_stop_the_house(tmp_path: Path) -> None:
    async with workshop(tmp_path, breaker_failures=MOST) as shop:
        bad_model = await shop.add_model(fails_when_bright_model(), name="bad")
        good, bad = await shop.add_detector(await shop.add_model()), await shop.add_detector(bad_model, name="bad")
        await shop.ask(*[shop.query(good, damaged_jpeg(number)) for number in range(2 * MOST)])
        await shop.ask(*[shop.query(bad, gray_jpeg(255, width=40 + number)) for number in range(2 * MOST)])
        await shop.ask(*[shop.query("det_" + "0" * 27, gray_jpeg(number)) for number in range(2 * MOST)])
        reasons = {(await shop.fact()).payload.model_dump()["reason"] for _ in range(6 * MOST)}
        assert reasons == {"image_corrupt", "model_failed", "unknown_detector"}
        assert await ready(shop)
        query = shop.query(good, gray_jpeg(9))
        await shop.ask(query)
        assert set(await shop.answers(1)) == {query.query_id}
