"""Dead letters after their death: published again, dropped, outdated, erased."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from contracts.ids import new_id
from contracts.topics import DEAD, FACTS, IMAGE_QUERIES
from contracts.v1.dead_letter import DeadLetterDropped, DeadLetterRequeued
from contracts.v1.image_query import ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.query import QueryErased
from services.kit.bus.codec import decode
from services.kit.bus.port import DEAD_QUEUE, DEAD_REASON, Delivery, Message, Subscription
from services.kit.errors import Unavailable
from services.kit.store.port import DeadLetters, LetterFilter, Store
from services.kit.store.records import LetterSummary
from services.result_store.dead import keep_letters, requeue
from tests.support.buses import take
from tests.support.messages import message
from tests.support.result_store import START, TENANT, House
from tests.support.until import until

ALL = LetterFilter()


@pytest.fixture
async def inference(house: House) -> Subscription:
    return await house.platform.bus.subscribe(IMAGE_QUERIES, prefetch=100)


async def letters(house: House) -> list[LetterSummary]:
    return list((await house.platform.store.dead_letters.page(ALL, None, 100)).items)


async def letters_but(house: House, *known: str) -> list[LetterSummary]:
    """Wait until the letters are others than the known ones."""

    async def changed() -> bool:
        found = {letter.id for letter in await letters(house)}
        return bool(found) and not found & set(known)

    await until(changed)
    return await letters(house)


async def idle(house: House) -> bool:
    depths = [await house.platform.bus.depth(queue) for queue in (FACTS, DEAD)]
    return all(depth.ready == depth.unsettled == 0 for depth in depths)


async def die(house: House, inference: Subscription) -> tuple[ImageQuerySubmitted, Message]:
    """Ask a question that a worker gives up; return it with its message."""
    question = house.question()
    await house.publish(question)
    await house.known(question.query_id)
    [delivery] = await take(inference, 1)
    await inference.reject(delivery, "image_missing", "it is gone")
    assert (await house.known(question.query_id, revision=2)).state == "failed"
    return question, delivery.message


def requeued(letter_id: str) -> DeadLetterRequeued:
    return DeadLetterRequeued(letter_id=letter_id, requeued_at=START)


async def test_a_requeued_message_comes_as_it_was_and_its_letter_is_gone(house: House, inference: Subscription) -> None:
    _, original = await die(house, inference)
    [letter] = await letters(house)
    await house.publish(requeued(letter.id), requeued(letter.id))
    [again] = await take(inference, 1)
    assert (again.message.body, again.message.routing_key) == (original.body, original.routing_key)
    assert decode(again.message) == decode(original)
    assert not {DEAD_QUEUE, DEAD_REASON} & again.message.headers.keys()
    await until(lambda: idle(house))
    assert await letters(house) == []
    assert (await house.platform.bus.depth(IMAGE_QUERIES)).ready == 0


async def test_the_answer_to_a_requeued_question_counts_and_its_state_stays(
    house: House, inference: Subscription
) -> None:
    question, _ = await die(house, inference)
    [letter] = await letters(house)
    await house.publish(requeued(letter.id))
    await inference.ack(await take(inference, 1))
    await house.publish(ImageQueryAnswered(answers=(house.answer(question),)))
    document = await house.known(question.query_id, revision=3)
    assert document.answer is not None
    assert (document.state, document.answer.label, document.error is not None) == ("failed", "YES", True)
    assert [step.state for step in document.history] == ["submitted", "failed"]


async def test_a_message_that_dies_again_is_a_letter_again(house: House, inference: Subscription) -> None:
    await die(house, inference)
    seen: list[str] = []
    for deaths in range(1, 4):
        [letter] = await letters_but(house, *seen)
        assert letter.requeues == deaths - 1
        seen.append(letter.id)
        await house.publish(requeued(letter.id))
        [delivery] = await take(inference, 1)
        await inference.reject(delivery, "image_missing", "it is gone")
    [letter] = await letters_but(house, *seen)
    assert letter.requeues == 3


class _DeletesFail:
    """Dead letters whose removal finds the store away, once."""

    def __init__(self, inner: DeadLetters) -> None:
        self.get = inner.get
        self._inner = inner
        self._failed = False

    async def delete(self, letter_id: str) -> None:
        if not self._failed:
            self._failed = True
            raise Unavailable("away")
        await self._inner.delete(letter_id)


class _Store:
    def __init__(self, dead_letters: _DeletesFail) -> None:
        self.dead_letters = dead_letters


async def test_a_crash_between_publishing_and_removing_loses_nothing(house: House, inference: Subscription) -> None:
    question, _ = await die(house, inference)
    [letter] = await letters(house)
    broken = cast("Store", _Store(_DeletesFail(house.platform.store.dead_letters)))
    with pytest.raises(Unavailable):
        await requeue(letter.id, broken, house.platform.bus)
    assert await letters(house) == [letter]
    await requeue(letter.id, broken, house.platform.bus)
    assert await letters(house) == []
    twice: list[Delivery] = await take(inference, 2)
    await inference.ack(twice)
    await house.publish(*[ImageQueryAnswered(answers=(house.answer(question),))] * 2)
    document = await house.known(question.query_id, revision=3)
    await until(lambda: idle(house))
    assert len((await house.known(question.query_id)).answers) == len(document.answers) == 1


async def test_a_letter_is_dropped(house: House, inference: Subscription) -> None:
    await die(house, inference)
    [letter] = await letters(house)
    dropped = DeadLetterDropped(letter_id=letter.id, dropped_at=START)
    await house.publish(dropped, dropped, requeued(letter.id))
    await until(lambda: idle(house))
    assert await letters(house) == []
    assert (await house.platform.bus.depth(IMAGE_QUERIES)).ready == 0


async def test_what_a_device_sent_for_another_tenant_is_never_published_by_us(house: House) -> None:
    """Published by the result store, the broker would vouch for it."""
    headers = {"cloudEvents_subject": new_id("iq", START), "cloudEvents_tenant": TENANT, DEAD_REASON: "wrong_tenant"}
    forged = replace(message(body=b"rubbish", headers=headers), user="device.other.gate-3")
    await keep_letters([forged], house.platform.store, house.clock)
    [letter] = await letters(house)
    await house.publish(requeued(letter.id))
    await until(lambda: idle(house))
    assert await letters(house) == [letter]
    assert (await house.platform.bus.depth(IMAGE_QUERIES)).ready == 0


async def test_erasing_a_query_removes_its_letters_and_a_late_one_is_not_kept(
    house: House, inference: Subscription
) -> None:
    question, original = await die(house, inference)
    await house.publish(QueryErased(query_id=question.query_id, erased_at=START))
    await house.known(question.query_id, revision=3)
    await until(lambda: idle(house))
    assert await letters(house) == []
    late = replace(original, headers={**original.headers, DEAD_QUEUE: "late", DEAD_REASON: "late"})
    assert await keep_letters([late], house.platform.store, house.clock) == []
    assert await letters(house) == []


async def test_letters_are_counted_and_removed_after_their_time(house: House, inference: Subscription) -> None:
    await die(house, inference)

    def kept() -> float | None:
        return house.platform.metrics.registry.get_sample_value(
            "sightline_dead_letters_kept", {"reason": "image_missing"}
        )

    await house.service.sweeper.sweep()
    assert kept() == 1.0
    house.clock.at = START + timedelta(days=30)
    await house.service.sweeper.sweep()
    assert await letters(house) == []
    assert kept() is None
