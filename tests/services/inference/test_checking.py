import asyncio
from pathlib import Path

import pytest

from contracts.topics import MODEL_CHECKS
from contracts.v1.control import ModelChecked, ModelSubmitted
from services.inference.checking import ModelChecks
from services.kit.bus.codec import encode, event_of
from services.kit.bus.outcomes import Done, Outcome, Retry, Work
from services.kit.store.records import ModelRecord
from tests.support import onnx_models
from tests.support.inference import TENANT, Workshop, gray_jpeg, workshop
from tests.support.onnx_models import brightness_model


async def verdict(shop: Workshop, record: ModelRecord) -> ModelChecked:
    await shop.submit_model(record)
    payload = (await shop.fact()).payload
    assert isinstance(payload, ModelChecked)
    assert (payload.model_id, payload.digest) == (record.id, record.digest)
    return payload


async def handled(shop: Workshop, record: ModelRecord, *, attempt: int = 1) -> Outcome:
    """What the handler makes of one message, without a queue."""
    checks = ModelChecks(shop.platform.store, shop.clock, shop.platform.settings)
    payload = ModelSubmitted(model_id=record.id, digest=record.digest, submitted_at=shop.clock.now())
    event = event_of(payload, source="test", tenant=TENANT, at=shop.clock.now())
    last = attempt >= MODEL_CHECKS.retry.attempts
    (outcome,) = await checks.handle([Work(event, attempt, last, encode(event))])
    return outcome


async def test_a_good_model_is_accepted(shop: Workshop) -> None:
    checked = await verdict(shop, await shop.add_model(status="checking"))
    assert (checked.accepted, checked.reason) == (True, None)
    assert checked.checked_at == shop.clock.now()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"garbage", "not_onnx"),
        (brightness_model()[:-20], "not_onnx"),
        (onnx_models.external_data_model("weights.bin"), "external_data"),
        (brightness_model(width=9), "input_mismatch"),
        (onnx_models.huge_model(), "too_much_memory"),
    ],
    ids=["garbage", "truncated", "external data", "wrong shape", "asks for 16 GB"],
)
async def test_a_bad_model_is_rejected_and_the_worker_goes_on(shop: Workshop, data: bytes, reason: str) -> None:
    checked = await verdict(shop, await shop.add_model(data, status="checking"))
    assert (checked.accepted, checked.reason) == (False, reason)
    good = await shop.add_model(status="checking", name="good")
    assert (await verdict(shop, good)).accepted


async def test_queries_are_answered_while_a_model_is_tried(tmp_path: Path) -> None:
    async with workshop(tmp_path, drain_s=0.1) as shop:
        detector = await shop.add_detector(await shop.add_model())
        slow = await shop.add_model(onnx_models.slow_model(), status="checking", name="slow")
        await shop.submit_model(slow)
        query = shop.query(detector, gray_jpeg(250))
        await shop.ask(query)
        assert set(await shop.answers(1)) == {query.query_id}


async def test_a_repeated_check_says_the_same_under_the_same_id(shop: Workshop) -> None:
    record = await shop.add_model(status="checking")
    first, second = await asyncio.gather(handled(shop, record), handled(shop, record))
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert [event.id for event in first.events] == [event.id for event in second.events]


@pytest.mark.parametrize("status", ["ready", "rejected"])
async def test_a_model_that_has_its_verdict_is_not_checked_again(shop: Workshop, status: str) -> None:
    record = await shop.add_model()
    await shop.change(record, status=status)
    assert await handled(shop, record) == Done()


async def test_a_removed_model_is_not_checked(shop: Workshop) -> None:
    record = await shop.add_model(status="checking")
    await shop.change(record, removed_at=shop.clock.now())
    assert await handled(shop, record) == Done()


async def test_a_file_that_is_not_there_is_waited_for_and_at_last_rejected(shop: Workshop) -> None:
    record = await shop.add_model(status="checking", with_file=False)
    assert isinstance(await handled(shop, record), Retry)
    last = await handled(shop, record, attempt=MODEL_CHECKS.retry.attempts)
    assert isinstance(last, Done)
    (event,) = last.events
    assert isinstance(event.payload, ModelChecked)
    assert not event.payload.accepted
