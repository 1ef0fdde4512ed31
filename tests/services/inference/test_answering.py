import asyncio
import hashlib
from pathlib import Path

import pytest

from contracts.topics import IMAGE_QUERIES
from contracts.v1.image_query import ImageQueryAnswered
from contracts.v1.query import QueryFailed
from tests.support import images
from tests.support.inference import TENANT, Workshop, gray_jpeg, image_of, workshop
from tests.support.onnx_models import brightness_manifest, brightness_model
from tests.support.until import until

DARK, BRIGHT = gray_jpeg(20), gray_jpeg(240)


def retried(shop: Workshop) -> bool:
    labels = {"queue": IMAGE_QUERIES.name, "outcome": "retried"}
    return bool(shop.platform.metrics.registry.get_sample_value("sightline_messages_handled_total", labels))


async def test_a_query_is_answered_with_everything_that_an_answer_has(shop: Workshop) -> None:
    model = await shop.add_model()
    detector = await shop.add_detector(model)
    query = shop.query(detector, BRIGHT)
    shop.clock.advance(2.5)
    await shop.ask(query)
    answer = (await shop.answers(1))[query.query_id]
    assert answer.label == "bright"
    assert 0.98 < answer.confidence <= 1
    assert [score.label for score in answer.scores] == ["dark", "bright"]
    assert sum(score.score for score in answer.scores) == pytest.approx(1)
    assert (answer.model_name, answer.model_digest) == ("brightness", model.digest)
    assert (answer.image_width, answer.image_height) == (40, 30)
    assert (answer.attempt, answer.replay, answer.expires_at) == (1, 0, None)
    assert (answer.submitted_at, answer.answered_at) == (query.submitted_at, shop.clock.now())
    timings = answer.timings
    assert timings.queue_s == 2.5
    assert timings.batch_size == 1
    assert min(timings.decode_s, timings.preprocess_s, timings.inference_s) > 0
    expected = hashlib.sha256(f"{query.query_id}|{model.digest}|0".encode()).hexdigest()[:27]
    assert answer.answer_id == f"ans_{expected}"


async def test_many_queries_are_answered_right_in_batches(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    queries = [shop.query(detector, gray_jpeg(255 * (number % 2), width=20 + number)) for number in range(100)]
    await shop.ask(*queries)
    answers = await shop.answers(100)
    for number, query in enumerate(queries):
        assert answers[query.query_id].label == ("bright" if number % 2 else "dark")
        assert answers[query.query_id].image_width == 20 + number
    assert max(answer.timings.batch_size for answer in answers.values()) > 1
    metrics = shop.platform.metrics.registry
    assert metrics.get_sample_value("sightline_answers_total") == 100
    assert metrics.get_sample_value("sightline_decode_seconds_count") == 100


async def test_work_done_twice_gives_the_same_answer_under_the_same_id(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    query = shop.query(detector, BRIGHT)
    await shop.ask(query)
    first = await shop.fact()
    await shop.ask(query)
    second = await shop.fact()
    assert isinstance(first.payload, ImageQueryAnswered)
    assert isinstance(second.payload, ImageQueryAnswered)
    assert first.payload.answers[0].answer_id == second.payload.answers[0].answer_id
    assert first.id == second.id


async def test_a_replay_gives_another_answer(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    query = shop.query(detector, BRIGHT)
    again = query.model_copy(update={"replay": 1})
    await shop.ask(query)
    first = (await shop.answers(1))[query.query_id]
    await shop.ask(again)
    second = (await shop.answers(1))[query.query_id]
    assert (first.replay, second.replay) == (0, 1)
    assert first.answer_id != second.answer_id


async def test_several_detectors_and_models_in_one_process_and_one_batch(shop: Workshop) -> None:
    kinds = {
        "plain": (brightness_model(), brightness_manifest(), "bright"),
        "inverted": (brightness_model(inverted=True), brightness_manifest(), "dark"),
        "one by one": (brightness_model(batch=1), brightness_manifest(), "bright"),
        "nhwc": (
            brightness_model(layout="nhwc", dtype="uint8", width=13),
            brightness_manifest(layout="nhwc", dtype="uint8", width=13),
            "bright",
        ),
        "probabilities": (
            brightness_model(probabilities=True),
            brightness_manifest(activation="none", labels=("no", "yes")),
            "yes",
        ),
    }
    queries = {}
    for name, (data, manifest, expected) in kinds.items():
        detector = await shop.add_detector(await shop.add_model(data, manifest, name=name), name=name)
        for _ in range(3):
            queries[shop.query(detector, BRIGHT)] = (name, expected)
    await shop.ask(*queries)
    answers = await shop.answers(len(queries))
    for query, (name, expected) in queries.items():
        assert (answers[query.query_id].model_name, answers[query.query_id].label) == (name, expected)


async def test_tenants_never_see_each_others_detectors_or_images(shop: Workshop) -> None:
    ours = await shop.add_detector(await shop.add_model())
    theirs = await shop.add_detector(await shop.add_model(tenant="rival", name="rival"), tenant="rival")
    await shop.ask(shop.query(ours, BRIGHT), tenant="rival")
    event = await shop.fact()
    assert event.tenant == "rival"
    assert isinstance(event.payload, QueryFailed)
    assert event.payload.reason == "unknown_detector"
    mine, other = shop.query(ours, BRIGHT), shop.query(theirs, DARK)
    await asyncio.gather(shop.ask(mine), shop.ask(other, tenant="rival"))
    tenants = {}
    for _ in range(2):
        event = await shop.fact()
        assert isinstance(event.payload, ImageQueryAnswered)
        tenants[event.payload.answers[0].query_id] = event.tenant
    assert tenants == {mine.query_id: TENANT, other.query_id: "rival"}


async def test_a_binding_that_changes_is_seen_without_a_restart(shop: Workshop) -> None:
    detector = await shop.add_detector(None)
    await shop.ask(shop.query(detector, BRIGHT))
    assert (await shop.fact()).type == "query.held"
    plain, inverted = await shop.add_model(), await shop.add_model(brightness_model(inverted=True), name="inverted")
    labels = []
    for revision, model in enumerate((plain, inverted, plain), start=1):
        await shop.change(detector.model_copy(update={"revision": revision}), model_id=model.id)
        query = shop.query(detector, BRIGHT)
        await shop.ask(query)
        labels.append((await shop.answers(1))[query.query_id].label)
    assert labels == ["bright", "dark", "bright"]


async def test_an_image_by_reference_comes_from_the_store(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    data = images.make_png(width=300, height=200)
    await shop.put_image(data)
    query = shop.query(detector, image_of(data, inline=False))
    await shop.ask(query)
    answer = (await shop.answers(1))[query.query_id]
    assert (answer.image_width, answer.image_height) == (300, 200)


async def test_an_image_that_comes_late_is_waited_for(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    query = shop.query(detector, image_of(BRIGHT, inline=False))
    await shop.ask(query)
    await until(lambda: retried(shop))
    await shop.put_image(BRIGHT)
    answer = (await shop.answers(1))[query.query_id]
    assert answer.attempt > 1


async def test_a_query_that_expires_later_is_answered_and_its_answer_says_when(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    expires_at = shop.clock.now().replace(year=2060)
    query = shop.query(detector, BRIGHT, expires_at=expires_at)
    await shop.ask(query)
    assert (await shop.answers(1))[query.query_id].expires_at == expires_at


async def test_a_submission_from_the_future_has_not_waited(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    query = shop.query(detector, BRIGHT, submitted_at=shop.clock.now().replace(year=2060))
    await shop.ask(query)
    assert (await shop.answers(1))[query.query_id].timings.queue_s == 0


async def test_a_model_that_is_being_checked_answers_once_it_is_ready(shop: Workshop) -> None:
    model = await shop.add_model(status="checking")
    query = shop.query(await shop.add_detector(model), BRIGHT)
    await shop.ask(query)
    await until(lambda: retried(shop))
    await shop.change(model, status="ready")
    assert (await shop.answers(1))[query.query_id].attempt > 1


async def test_large_inputs_are_run_in_smaller_batches(shop: Workshop) -> None:
    data = brightness_model(width=2048, height=2048)  # 50 MB per image: two fit into a run
    manifest = brightness_manifest(width=2048, height=2048)
    detector = await shop.add_detector(await shop.add_model(data, manifest))
    queries = [shop.query(detector, BRIGHT) for _ in range(5)]
    await shop.ask(*queries)
    answers = await shop.answers(5)
    assert max(answer.timings.batch_size for answer in answers.values()) <= 2


async def test_the_batch_size_is_a_setting(tmp_path: Path) -> None:
    async with workshop(tmp_path, batch_size=3) as shop:
        detector = await shop.add_detector(await shop.add_model())
        await shop.ask(*[shop.query(detector, gray_jpeg(100, width=10 + number)) for number in range(20)])
        answers = await shop.answers(20)
    assert max(answer.timings.batch_size for answer in answers.values()) <= 3


async def test_only_the_lanes_of_this_process_are_worked_on(tmp_path: Path) -> None:
    async with workshop(tmp_path, lanes=["fast", "slow"]) as shop:
        detector = await shop.add_detector(await shop.add_model())
        left, fast, slow = [shop.query(detector, BRIGHT) for _ in range(3)]
        await shop.ask(left)
        await shop.ask(fast, lane="fast")
        await shop.ask(slow, lane="slow")
        lanes = {}
        for _ in range(2):
            event = await shop.fact()
            assert isinstance(event.payload, ImageQueryAnswered)
            lanes[event.payload.answers[0].query_id] = event.lane
        assert lanes == {fast.query_id: "fast", slow.query_id: "slow"}
        assert (await shop.platform.bus.depth(IMAGE_QUERIES)).ready == 1
