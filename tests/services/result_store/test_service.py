"""The result store as a service: facts in, documents, images and wake-ups out."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.http.models import Manifest, ManifestInput, ManifestOutput
from contracts.ids import new_id
from contracts.topics import CHANGES, FACTS, IMAGE_QUERIES, WAKE_UPS
from contracts.v1.control import DetectorChanged, ModelChecked
from contracts.v1.image_query import ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.label import LabelAdded
from contracts.v1.query import QueryCancelled, QueryErased, QueryHeld
from contracts.v1.results import ResultsStored
from services.kit.bus.codec import decode, encode, event_of
from services.kit.bus.memory import MemoryBus
from services.kit.bus.port import DEAD_REASON
from services.kit.store.documents import QueryKey
from services.kit.store.port import LetterFilter, Swap
from services.kit.store.records import Blob, DetectorRecord, ModelRecord
from services.result_store.dead import keep_letters
from services.result_store.service import create
from tests.support.buses import expect_depth, take
from tests.support.documents import make_claim
from tests.support.messages import message
from tests.support.result_store import DIGEST, START, TENANT, House
from tests.support.until import until


async def test_a_question_becomes_a_document_and_its_image_is_kept(house: House) -> None:
    question = house.question()
    await house.publish(question)
    document = await house.known(question.query_id)
    assert document.state == "submitted"
    image = await house.image(question)
    assert image is not None
    assert (image.data, image.expires_at) == (b"image", START + timedelta(days=30))


async def test_an_answer_wakes_those_who_wait_after_it_is_stored(house: House) -> None:
    question = house.question()
    wake_ups = await house.platform.bus.subscribe(WAKE_UPS)
    await house.publish(question, ImageQueryAnswered(answers=(house.answer(question),)))
    seen: list[str] = []
    while "answered" not in seen:
        for delivery in await take(wake_ups, 1):
            payload = decode(delivery.message).payload
            assert isinstance(payload, ResultsStored)
            seen += [result.state for result in payload.results]
            document = await house.load(payload.results[-1].query_id)
            assert document is not None
            assert document.revision >= payload.results[-1].revision


async def test_an_answer_waits_for_its_question_that_is_being_written_and_for_no_other(house: House) -> None:
    slow, other = house.question(b"slow"), house.question(b"other")
    swap, begun, go_on = house.platform.store.queries.swap, asyncio.Event(), asyncio.Event()

    async def swap_slowly(swaps: Sequence[Swap]) -> frozenset[QueryKey]:
        if slow.query_id in {each.document.id for each in swaps}:
            begun.set()
            await go_on.wait()
        return await swap(swaps)

    house.platform.store.queries.swap = swap_slowly  # type: ignore[method-assign]
    await house.publish(slow)
    await begun.wait()
    await house.publish(other, ImageQueryAnswered(answers=(house.answer(other),)))
    await house.known(other.query_id, revision=2)
    await house.publish(ImageQueryAnswered(answers=(house.answer(slow),)))
    await expect_depth(house.platform.bus, FACTS, unsettled=2)
    go_on.set()
    document = await house.known(slow.query_id, revision=2)
    assert [change.state for change in document.history] == ["submitted", "answered"]


async def test_five_hundred_answers_before_their_questions(house: House) -> None:
    questions = [house.question(str(number).encode()) for number in range(500)]
    await house.publish(
        *(
            ImageQueryAnswered(answers=tuple(house.answer(q) for q in questions[start : start + 50]))
            for start in range(0, 500, 50)
        )
    )
    await house.publish(*questions, *questions[:100])
    for question in questions:
        document = await house.known(question.query_id, revision=2)
        assert (document.state, document.revision) == ("answered", 2)
        assert document.request is not None


async def test_bytes_under_another_hash_are_not_kept(house: House) -> None:
    question = house.question()
    lying = question.model_copy(update={"image": question.image.model_copy(update={"data": b"other"})})
    await house.publish(lying)
    await house.known(question.query_id)
    assert await house.image(question) is None


async def test_a_label_keeps_query_and_image(house: House) -> None:
    question = house.question()
    label = LabelAdded(query_id=question.query_id, label_id=new_id("lbl", START), label="NO", labelled_at=START)
    await house.publish(question, label)
    document = await house.known(question.query_id, revision=2)
    assert document.expires_at is None
    image = await house.image(question)
    assert image is not None
    assert image.expires_at is None
    house.clock.at = START + timedelta(days=400)
    await house.service.sweeper.sweep()
    assert await house.load(question.query_id) is not None
    assert await house.image(question) is not None


async def test_retention_removes_record_and_image(house: House) -> None:
    question = house.question()
    await house.publish(question)
    await house.known(question.query_id)
    house.clock.at = START + timedelta(days=30, seconds=1)
    await house.service.sweeper.sweep()
    assert await house.load(question.query_id) is None
    assert await house.image(question) is None


async def test_erasing_removes_the_image_unless_another_query_uses_it(house: House) -> None:
    first, second = house.question(), house.question(seconds=1)
    await house.publish(first, second)
    await house.known(second.query_id)
    claim = make_claim(first.query_id, tenant=TENANT)
    await house.platform.store.claims.make(claim)
    await house.publish(QueryErased(query_id=first.query_id, erased_at=START))
    document = await house.known(first.query_id, revision=2)
    assert document.request is None
    assert await house.image(first) is not None
    await house.publish(QueryErased(query_id=second.query_id, erased_at=START))
    await house.known(second.query_id, revision=2)
    assert await house.image(first) is None
    await house.publish(second)  # a late repeat brings nothing back
    await house.publish(house.question(b"marker", seconds=2))
    await until(lambda: _empty(house))
    assert await house.image(second) is None
    assert await house.platform.store.claims.find(QueryKey(TENANT, first.query_id)) is None


async def _empty(house: House) -> bool:
    from contracts.topics import FACTS

    depth = await house.platform.bus.depth(FACTS)
    return depth.ready == depth.unsettled == 0


async def test_a_dead_question_fails_its_query_with_the_reason(house: House) -> None:
    question = house.question()
    await house.publish(question)
    await house.known(question.query_id)
    inference = await house.platform.bus.subscribe(IMAGE_QUERIES)
    [delivery] = await take(inference, 1)
    await inference.reject(delivery, "attempts_exhausted", "the model would not load")
    document = await house.known(question.query_id, revision=2)
    assert document.state == "failed"
    assert document.error is not None
    assert (document.error.reason, document.error.detail) == ("attempts_exhausted", "the model would not load")
    [letter] = (await house.platform.store.dead_letters.page(LetterFilter(), None, 10)).items
    whole = await house.platform.store.dead_letters.get(letter.id)
    assert whole is not None
    assert (whole.query_id, whole.queue, whole.body) == (
        question.query_id,
        IMAGE_QUERIES.name,
        delivery.message.body,
    )


@pytest.mark.parametrize("body", [b"", b"\xff\x00rubbish", b"{}"])
async def test_a_question_that_cannot_be_read_fails_by_the_id_in_its_envelope(house: House, body: bytes) -> None:
    query_id = new_id("iq", START)
    headers = {"cloudEvents_subject": query_id, "cloudEvents_tenant": TENANT}
    await house.platform.bus.publish([message(body=body, headers=headers)])
    document = await house.known(query_id)
    assert document.state == "failed"
    assert document.error is not None


async def test_a_device_cannot_end_another_tenants_query(house: House) -> None:
    """The broker's word of who sent it outlives the dead-lettering; the tenant header is only the sender's."""
    victim = new_id("iq", START)
    headers = {"cloudEvents_subject": victim, "cloudEvents_tenant": TENANT, DEAD_REASON: "bad_payload"}
    forged = replace(message(body=b"rubbish", headers=headers), user="device.other.gate-3")
    assert await keep_letters([forged], house.platform.store, house.clock) == []
    honest = replace(forged, user=f"device.{TENANT}.gate-3")
    assert [fact.key.id for fact in await keep_letters([honest], house.platform.store, house.clock)] == [victim]


async def test_rubbish_without_an_id_is_kept_for_an_operator(house: House) -> None:
    await house.platform.bus.publish([message(body=b"rubbish")])

    async def kept() -> bool:
        return bool((await house.platform.store.dead_letters.page(LetterFilter(), None, 10)).items)

    await until(kept)
    [letter] = (await house.platform.store.dead_letters.page(LetterFilter(), None, 10)).items
    assert (letter.query_id, letter.tenant, letter.size_bytes) == (None, "", len(b"rubbish"))


async def test_an_overtaken_query_is_published_again_and_then_lost(house: House) -> None:
    old, later = house.question(b"old"), house.question(b"later", seconds=5)
    await house.publish(old, later, ImageQueryAnswered(answers=(house.answer(later),)))
    await house.known(later.query_id, revision=2)
    inference = await house.platform.bus.subscribe(IMAGE_QUERIES, prefetch=100)
    await inference.ack(await take(inference, 2))

    for sweep in (1, 2):
        house.clock.at += timedelta(seconds=61)
        await house.service.sweeper.sweep()
        [again] = await take(inference, 1)
        await inference.ack([again])
        payload = decode(again.message).payload
        assert isinstance(payload, ImageQuerySubmitted)
        assert (payload.query_id, payload.image.data) == (old.query_id, None)
        assert (await house.known(old.query_id)).sweeps == sweep
    house.clock.at += timedelta(seconds=61)
    await house.service.sweeper.sweep()
    document = await house.known(old.query_id)
    assert document.state == "failed"
    assert document.error is not None
    assert document.error.reason == "lost"


async def test_the_sweeper_ends_what_has_expired(house: House) -> None:
    question = house.question(expires_at=START + timedelta(seconds=10))
    await house.publish(question)
    await house.known(question.query_id)
    await house.service.sweeper.sweep()
    assert (await house.known(question.query_id)).state == "submitted"
    house.clock.at = START + timedelta(seconds=10)
    await house.service.sweeper.sweep()
    assert (await house.known(question.query_id)).state == "expired"


def model_record(status: str) -> ModelRecord:
    manifest = Manifest(input=ManifestInput(width=8, height=8), output=ManifestOutput(labels=("NO", "YES")))
    return ModelRecord.model_validate(
        {
            "tenant": TENANT,
            "id": new_id("mdl", START),
            "name": "door",
            "created_at": START,
            "updated_at": START,
            "digest": DIGEST,
            "size_bytes": 3,
            "manifest": manifest,
            "status": status,
        }
    )


@pytest.mark.parametrize("binding_first", [True, False])
async def test_binding_a_model_releases_what_waited_for_it(house: House, binding_first: bool) -> None:  # noqa: FBT001
    store = house.platform.store
    question = house.question()
    await house.publish(question)
    await house.known(question.query_id)
    inference = await house.platform.bus.subscribe(IMAGE_QUERIES)
    await inference.ack(await take(inference, 1))
    held = QueryHeld(query_id=question.query_id, reason="no_model", held_at=START)
    if not binding_first:
        await house.publish(held)
        assert (await house.known(question.query_id, revision=2)).held == "no_model"
    model = model_record("ready")
    await store.models.insert(model)
    await store.detectors.insert(
        DetectorRecord(
            tenant=TENANT,
            id=house.detector_id,
            name="door",
            created_at=START,
            updated_at=START,
            query="Is the door open?",
            model_id=model.id,
        )
    )
    await house.publish(DetectorChanged(detector_id=house.detector_id, revision=1))
    if binding_first:
        await house.publish(held)
    [again] = await take(inference, 1)
    assert decode(again.message).subject == question.query_id
    assert (await house.known(question.query_id, revision=3)).held is None


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_verdict_is_recorded_and_told(house: House, accepted: bool) -> None:  # noqa: FBT001
    store = house.platform.store
    model = model_record("checking")
    await store.models.insert(model)
    await store.model_files.put(Blob(tenant=TENANT, sha256=DIGEST, media_type="application/octet-stream", data=b"onnx"))
    changes = await house.platform.bus.subscribe(CHANGES)
    checked = ModelChecked(
        model_id=model.id,
        digest=DIGEST,
        accepted=accepted,
        reason=None if accepted else "not_onnx",
        detail="" if accepted else "it is a poem",
        checked_at=START,
    )
    await house.publish(checked, checked)
    await take(changes, 1)
    record = await store.models.get(TENANT, model.id)
    assert record is not None
    assert (record.status, record.revision) == ("ready" if accepted else "rejected", 2)
    assert (await store.model_files.get(TENANT, DIGEST) is not None) is accepted


async def test_two_result_stores_on_one_store_lose_nothing(house: House) -> None:
    """Two writers race for the same documents: every fact is in, each end is counted once."""
    platform = house.platform
    async with MemoryBus() as other_bus, AsyncExitStack() as stack:
        other = create(replace(platform, bus=other_bus))
        await other.start(stack)
        questions = [house.question(str(n).encode()) for n in range(100)]
        answers = [ImageQueryAnswered(answers=(house.answer(q),)) for q in questions]
        events = [
            encode(event_of(p, source="test", tenant=TENANT, at=START, event_id=f"e{n}"))
            for n, p in enumerate([*questions, *answers])
        ]
        cancels = [
            encode(
                event_of(QueryCancelled(query_id=q.query_id, cancelled_at=START), source="t", tenant=TENANT, at=START)
            )
            for q in questions
        ]
        await asyncio.gather(platform.bus.publish(events), other_bus.publish(events + cancels))
        for question in questions:
            await until(lambda q=question: _complete(house, q.query_id))  # type: ignore[misc]
            document = await house.known(question.query_id)
            ended = [step for step in document.history if step.state != "submitted"]
            assert len(ended) == 1
            assert document.state in {"answered", "cancelled"}
            assert len(document.answers) == 1


async def _complete(house: House, query_id: str) -> bool:
    document = await house.load(query_id)
    return document is not None and document.request is not None and document.ended and len(document.answers) == 1
