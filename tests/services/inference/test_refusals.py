import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from contracts.base import Payload
from contracts.events import Event
from contracts.topics import IMAGE_QUERIES
from contracts.v1.image_query import Image, ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.query import QueryFailed, QueryHeld
from services.inference.answering import Answering
from services.kit.bus.codec import encode, event_of
from services.kit.bus.outcomes import Done, Outcome, Retry, Work
from services.kit.store.records import Blob
from tests.support import images, onnx_models
from tests.support.inference import TENANT, Workshop, answering_of, gray_jpeg, image_of
from tests.support.onnx_models import brightness_manifest

DARK, BRIGHT = gray_jpeg(20), gray_jpeg(240)


async def failure(shop: Workshop, query: ImageQuerySubmitted) -> QueryFailed:
    await shop.ask(query)
    event = await shop.fact()
    assert event.subject == query.query_id
    assert isinstance(event.payload, QueryFailed)
    return event.payload


async def test_an_expired_query_is_shed_before_its_image_is_looked_at(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    query = shop.query(detector, images.TEXT, expires_at=shop.clock.now())
    await shop.ask(query)
    event = await shop.fact()
    assert (event.type, event.subject) == ("query.expired", query.query_id)
    assert shop.platform.metrics.registry.get_sample_value("sightline_decode_seconds_count") == 0


BAD_IMAGES = [
    (images.TEXT, "image_format"),
    (images.HDR_BOMB, "image_format"),
    (images.truncated(images.make_jpeg()), "image_truncated"),
    (images.corrupt_middle(images.make_png()), "image_corrupt"),
    (images.truncated(images.make_jpeg(width=320, height=240)) + b"\xff\xd9", "image_corrupt"),
    (images.png_claiming(30_000, 30_000), "image_too_large"),
]


async def test_bad_images_fail_alone_beside_good_ones_of_the_same_batch(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    good = [shop.query(detector, gray_jpeg(240, width=30 + number)) for number in range(6)]
    bad = [shop.query(detector, data) for data, _ in BAD_IMAGES]
    await shop.ask(*[query for pair in zip(bad, good, strict=True) for query in pair])
    failed: dict[str, str] = {}
    answered: dict[str, ImageAnswer] = {}
    while len(failed) + len(answered) < 12:
        payload = (await shop.fact()).payload
        if isinstance(payload, QueryFailed):
            failed[payload.query_id] = payload.reason
        else:
            assert isinstance(payload, ImageQueryAnswered)
            answered |= {answer.query_id: answer for answer in payload.answers}
    assert failed == {query.query_id: code for query, (_, code) in zip(bad, BAD_IMAGES, strict=True)}
    assert set(answered) == {query.query_id for query in good}
    assert [answered[query.query_id].image_width for query in good] == [30, 31, 32, 33, 34, 35]
    assert {answer.label for answer in answered.values()} == {"bright"}


async def test_an_image_that_is_not_what_was_announced_fails(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    wrong_hash = image_of(BRIGHT, sha256=hashlib.sha256(DARK).hexdigest())
    wrong_size = image_of(BRIGHT).model_copy(update={"size_bytes": len(BRIGHT) + 1})
    for image in (wrong_hash, wrong_size):
        assert (await failure(shop, shop.query(detector, image))).reason == "image_hash_mismatch"


async def test_a_stored_image_that_was_changed_fails(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    image = Image(sha256=hashlib.sha256(BRIGHT).hexdigest(), size_bytes=len(DARK), media_type="image/jpeg")
    await shop.platform.store.images.put(Blob(tenant=TENANT, sha256=image.sha256, media_type="image/jpeg", data=DARK))
    assert (await failure(shop, shop.query(detector, image))).reason == "image_hash_mismatch"


async def test_an_unknown_detector_fails(shop: Workshop) -> None:
    query = shop.query("det_" + "0" * 27, BRIGHT)
    failed = await failure(shop, query)
    assert (failed.reason, failed.attempts) == ("unknown_detector", 1)


async def test_a_deleted_detector_fails(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    await shop.change(detector, removed_at=shop.clock.now())
    assert (await failure(shop, shop.query(detector, BRIGHT))).reason == "detector_deleted"


async def test_a_detector_whose_model_was_never_there_fails(shop: Workshop) -> None:
    model = await shop.add_model()
    detector = await shop.add_detector(model.model_copy(update={"id": "mdl_" + "0" * 27}))
    assert (await failure(shop, shop.query(detector, BRIGHT))).reason == "model_missing"


async def held(shop: Workshop, query: ImageQuerySubmitted) -> tuple[Event[Payload], str]:
    await shop.ask(query)
    event = await shop.fact()
    assert (event.type, event.subject) == ("query.held", query.query_id)
    return event, event.payload.model_dump()["reason"]


async def test_without_a_model_a_query_is_held_for_a_person(shop: Workshop) -> None:
    query = shop.query(await shop.add_detector(None), images.TEXT)
    assert (await held(shop, query))[1] == "no_model"


async def test_held_again_for_the_same_reason_is_the_same_fact_until_the_detector_changes(shop: Workshop) -> None:
    detector = await shop.add_detector(None)
    query = shop.query(detector, BRIGHT)
    first, second = (await held(shop, query))[0], (await held(shop, query))[0]
    await shop.change(detector, query="Is it dark?")
    third = (await held(shop, query))[0]
    assert first.id == second.id != third.id


async def test_a_rejected_or_removed_model_holds_its_queries(shop: Workshop) -> None:
    rejected = await shop.add_detector(await shop.add_model(status="rejected"), name="rejected")
    removed = await shop.add_model(name="other")
    detector = await shop.add_detector(removed)
    await shop.change(removed, removed_at=shop.clock.now())
    for one in (rejected, detector):
        assert (await held(shop, shop.query(one, BRIGHT)))[1] == "model_not_ready"


async def test_outputs_that_are_no_answer_fail_alone(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model(onnx_models.nan_when_bright_model()))
    good, bad = shop.query(detector, DARK), shop.query(detector, gray_jpeg(255))
    await shop.ask(bad, good)
    payloads = [(await shop.fact()).payload for _ in range(2)]
    (failed,) = [payload for payload in payloads if isinstance(payload, QueryFailed)]
    (answered,) = [payload for payload in payloads if isinstance(payload, ImageQueryAnswered)]
    assert (failed.query_id, failed.reason) == (bad.query_id, "non_finite_output")
    assert answered.answers[0].query_id == good.query_id


async def test_scores_that_are_no_probabilities_fail(shop: Workshop) -> None:
    manifest = brightness_manifest(activation="none")
    detector = await shop.add_detector(await shop.add_model(onnx_models.out_of_range_model(), manifest))
    assert (await failure(shop, shop.query(detector, BRIGHT))).reason == "scores_out_of_range"


async def test_when_a_run_fails_each_image_is_run_alone_and_only_the_culprit_fails(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model(onnx_models.fails_when_bright_model()))
    culprit = shop.query(detector, gray_jpeg(255))
    others = [shop.query(detector, gray_jpeg(level)) for level in (10, 50, 90, 130)]
    await shop.ask(others[0], others[1], culprit, others[2], others[3])
    failed: list[tuple[str, str]] = []
    answered: set[str] = set()
    while len(failed) + len(answered) < 5:
        payload = (await shop.fact()).payload
        if isinstance(payload, QueryFailed):
            failed.append((payload.query_id, payload.reason))
        else:
            assert isinstance(payload, ImageQueryAnswered)
            answered |= {answer.query_id for answer in payload.answers}
    assert failed == [(culprit.query_id, "model_failed")]
    assert answered == {query.query_id for query in others}


async def test_a_model_file_that_cannot_be_loaded_fails_the_query_and_not_the_service(shop: Workshop) -> None:
    broken = await shop.add_detector(await shop.add_model(b"garbage", name="broken"), name="broken")
    assert (await failure(shop, shop.query(broken, BRIGHT))).reason == "model_failed"
    good = shop.query(await shop.add_detector(await shop.add_model()), BRIGHT)
    await shop.ask(good)
    assert set(await shop.answers(1)) == {good.query_id}


@pytest.fixture
async def answering(shop: Workshop) -> AsyncIterator[Answering]:
    """The handler without its queue."""
    async with AsyncExitStack() as stack:
        yield await answering_of(shop.platform, stack)


async def handled(answering: Answering, query: ImageQuerySubmitted, *, attempt: int = 1) -> Outcome:
    event = event_of(query, source="test", tenant=TENANT, at=query.submitted_at)
    last = attempt >= IMAGE_QUERIES.retry.attempts
    (outcome,) = await answering.handle([Work(event, attempt, last, encode(event))])
    return outcome


async def at_last(answering: Answering, query: ImageQuerySubmitted) -> Payload:
    """What the first attempt puts off and the last one says."""
    assert isinstance(await handled(answering, query), Retry)
    outcome = await handled(answering, query, attempt=IMAGE_QUERIES.retry.attempts)
    assert isinstance(outcome, Done)
    (event,) = outcome.events
    return event.payload


async def test_an_image_that_never_comes_fails_at_last(shop: Workshop, answering: Answering) -> None:
    detector = await shop.add_detector(await shop.add_model())
    failed = await at_last(answering, shop.query(detector, image_of(BRIGHT, inline=False)))
    assert isinstance(failed, QueryFailed)
    assert (failed.reason, failed.attempts) == ("image_missing", IMAGE_QUERIES.retry.attempts)


async def test_a_model_file_that_never_comes_fails_at_last(shop: Workshop, answering: Answering) -> None:
    detector = await shop.add_detector(await shop.add_model(with_file=False))
    failed = await at_last(answering, shop.query(detector, BRIGHT))
    assert isinstance(failed, QueryFailed)
    assert failed.reason == "model_missing"


async def test_a_query_whose_model_is_checked_for_long_is_held_at_last(shop: Workshop, answering: Answering) -> None:
    detector = await shop.add_detector(await shop.add_model(status="checking"))
    held = await at_last(answering, shop.query(detector, BRIGHT))
    assert isinstance(held, QueryHeld)
    assert held.reason == "model_not_ready"


async def test_while_the_store_is_away_queries_are_put_off(shop: Workshop, answering: Answering) -> None:
    detector = await shop.add_detector(await shop.add_model())
    inline = shop.query(detector, BRIGHT)
    by_reference = shop.query(detector, image_of(BRIGHT, inline=False))
    assert isinstance(await handled(answering, inline), Done)  # detector and model are known now
    async with shop.store_away():
        assert isinstance(await handled(answering, inline), Done)
        for query in (by_reference, shop.query("det_" + "0" * 27, BRIGHT)):
            outcome = await handled(answering, query, attempt=IMAGE_QUERIES.retry.attempts)
            assert isinstance(outcome, Retry)
            assert outcome.blameless
