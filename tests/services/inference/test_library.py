import asyncio
import gc
import hashlib
import weakref
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from services.inference.engine import LoadedModel, ModelRejected
from services.inference.library import ModelLibrary
from services.inference.onnx_engine import OnnxEngine
from services.kit.errors import NotFound
from services.kit.store.records import Blob, ModelRecord
from services.kit.store.sqlite import SqliteStore
from tests.support.documents import make_model
from tests.support.onnx_models import brightness_manifest, brightness_model
from tests.support.until import until

ENGINE = OnnxEngine(threads=1)
ROOM_BYTES = 2 * ENGINE.load(brightness_model(seed=1), brightness_manifest()).memory_bytes
"""For two models."""


class Shelf:
    """A library over a store of its own."""

    def __init__(self, store: SqliteStore, library: ModelLibrary) -> None:
        self.store = store
        self.library = library

    async def put(self, seed: int, *, data: bytes | None = None, stored: bytes | None = None) -> ModelRecord:
        data = brightness_model(seed=seed) if data is None else data
        digest = hashlib.sha256(data).hexdigest()
        record = make_model(f"m{seed}").model_copy(update={"digest": digest, "manifest": brightness_manifest()})
        content = data if stored is None else stored
        blob = Blob(tenant=record.tenant, sha256=digest, media_type="application/octet-stream", data=content)
        await self.store.model_files.put(blob)
        return record


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(tmp_path / "store.sqlite"))
        library = ModelLibrary(store.model_files, ENGINE, memory_bytes=ROOM_BYTES)
        await library.start(stack)
        yield Shelf(store, library)


def gone(model: "weakref.ref[LoadedModel]") -> bool:
    """The thread that loaded it may hold it a moment longer."""
    gc.collect()
    return model() is None


def answers(model: LoadedModel) -> bool:
    return model.run(np.ones((1, 3, 8, 8), np.float32)).shape == (1, 2)


async def test_a_model_is_loaded_once_however_many_ask(shelf: Shelf) -> None:
    record = await shelf.put(1)
    models = await asyncio.gather(*(shelf.library.get(record) for _ in range(10)))
    assert len({id(model) for model in models}) == 1
    assert answers(models[0])


async def test_the_least_recently_used_model_makes_room_and_comes_back(shelf: Shelf) -> None:
    one, two, three = [await shelf.put(seed) for seed in (1, 2, 3)]
    first = await shelf.library.get(one)
    second = weakref.ref(await shelf.library.get(two))
    assert await shelf.library.get(one) is first
    await shelf.library.get(three)
    await until(lambda: gone(second))  # its memory is free again
    assert await shelf.library.get(one) is first
    assert answers(await shelf.library.get(two))


async def test_a_model_larger_than_the_room_is_served_all_the_same(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(tmp_path / "small.sqlite"))
        library = ModelLibrary(store.model_files, ENGINE, memory_bytes=1)
        await library.start(stack)
        shelf = Shelf(store, library)
        one, two = [await shelf.put(seed) for seed in (1, 2)]
        first = weakref.ref(await library.get(one))
        assert answers(await library.get(one))
        assert answers(await library.get(two))
        await until(lambda: gone(first))


async def test_a_forgotten_model_is_freed_and_loaded_again_when_needed(shelf: Shelf) -> None:
    record = await shelf.put(1)
    model = weakref.ref(await shelf.library.get(record))
    shelf.library.forget(record.tenant, record.id)
    await until(lambda: gone(model))
    assert answers(await shelf.library.get(record))


async def test_forgetting_what_was_never_loaded_changes_nothing(shelf: Shelf) -> None:
    shelf.library.forget("acme", "mdl_unknown")


async def test_a_missing_file_is_not_remembered(shelf: Shelf) -> None:
    record = await shelf.put(1)
    blob = await shelf.store.model_files.get(record.tenant, record.digest)
    assert blob is not None
    await shelf.store.model_files.delete(record.tenant, record.digest)
    with pytest.raises(NotFound):
        await shelf.library.get(record)
    await shelf.store.model_files.put(blob)
    assert answers(await shelf.library.get(record))


async def test_a_file_that_is_not_the_one_that_was_checked_is_not_loaded(shelf: Shelf) -> None:
    record = await shelf.put(1, stored=brightness_model(seed=2))
    with pytest.raises(ModelRejected) as rejected:
        await shelf.library.get(record)
    assert rejected.value.code == "digest_mismatch"


async def test_a_model_that_cannot_be_loaded_is_not_tried_for_every_batch(shelf: Shelf) -> None:
    record = await shelf.put(1, data=b"garbage")
    errors = []
    for _ in range(3):
        with pytest.raises(ModelRejected) as rejected:
            await shelf.library.get(record)
        errors.append(rejected.value)
    assert errors[0] is errors[1] is errors[2]
    shelf.library.forget(record.tenant, record.id)
    with pytest.raises(ModelRejected) as rejected:
        await shelf.library.get(record)
    assert rejected.value is not errors[0]


async def test_who_stops_waiting_does_not_stop_the_others(shelf: Shelf) -> None:
    record = await shelf.put(1)
    impatient, patient = (asyncio.create_task(shelf.library.get(record)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert answers(await patient)
    assert impatient.cancelled()
