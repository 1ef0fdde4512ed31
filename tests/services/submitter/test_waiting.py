"""The synchronous ask: the answer within the POST."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.base import Payload
from contracts.ids import new_id
from contracts.topics import IMAGE_QUERIES
from contracts.v1.image_query import ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.label import LabelAdded
from services.kit.bus.codec import decode, encode, event_of
from services.kit.platform import Platform
from services.result_store.service import create as create_result_store
from tests.support.images import make_jpeg
from tests.support.submitting import TENANT, Door, open_door

JPEG = make_jpeg()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path, besides=[create_result_store], max_wait_s=20) as door:
        yield door


def answer_to(request: ImageQuerySubmitted, confidence: float) -> ImageQueryAnswered:
    """A model's answer."""
    answer = ImageAnswer(
        query_id=request.query_id,
        answer_id="ans_" + "a" * 27,
        label="YES",
        confidence=confidence,
        model_name="door",
        model_digest="d" * 64,
        answered_at=request.submitted_at,
        submitted_at=request.submitted_at,
    )
    return ImageQueryAnswered(answers=(answer,))


async def publish(platform: Platform, payload: Payload) -> None:
    """Publish a fact as a worker does."""
    event = event_of(payload, source="inference", tenant=TENANT, at=platform.clock.now())
    await platform.bus.publish([encode(event)])


@asynccontextmanager
async def worker(platform: Platform, confidence: float, *, then_a_person: bool = False) -> AsyncIterator[None]:
    """Answer the first question that comes."""

    async def work() -> None:
        subscription = await platform.bus.subscribe(IMAGE_QUERIES)
        (delivery,) = await subscription.receive(1)
        request = decode(delivery.message).payload
        assert isinstance(request, ImageQuerySubmitted)
        await publish(platform, answer_to(request, confidence))
        if then_a_person:
            label = LabelAdded(
                query_id=request.query_id,
                label_id=new_id("lbl", platform.clock.now()),
                label="NO",
                labelled_at=platform.clock.now(),
            )
            await publish(platform, label)
        await subscription.ack([delivery])
        await subscription.close()

    task = asyncio.create_task(work())
    yield
    await task


async def test_a_wait_in_the_address_is_answered_within_the_post(door: Door) -> None:
    async with worker(door.platform, 0.97):
        response = await door.ask(JPEG, wait=20)
    query = response.json()
    assert (response.status_code, query["state"], query["label"], query["confidence"]) == (200, "answered", "YES", 0.97)
    assert response.headers["Location"] == f"/v1/queries/{query['id']}"
    assert "Preference-Applied" not in response.headers


async def test_a_preferred_wait_is_met_and_says_so(door: Door) -> None:
    async with worker(door.platform, 0.97):
        response = await door.ask(JPEG, headers={"Prefer": "respond-async, wait=15"})
    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "wait=15"


async def test_a_wait_that_ends_without_an_answer_is_an_accepted_question(door: Door) -> None:
    response = await door.ask(JPEG, wait=0.05)
    assert (response.status_code, response.json()["state"]) == (202, "submitted")
    assert "Preference-Applied" not in response.headers


async def test_an_unsure_answer_ends_a_wait_for_an_answer_but_not_for_a_confident_one(door: Door) -> None:
    async with worker(door.platform, 0.5):
        response = await door.ask(JPEG, wait=20)
    assert (response.status_code, response.json()["confident"]) == (200, False)
    async with worker(door.platform, 0.5):
        response = await door.ask(JPEG, wait=1.5, wait_for="confident")
    assert (response.status_code, response.json()["label"]) == (202, "YES")


async def test_a_person_ends_a_wait_for_a_confident_answer(door: Door) -> None:
    async with worker(door.platform, 0.5, then_a_person=True):
        response = await door.ask(JPEG, wait=20, wait_for="confident")
    assert (response.status_code, response.json()["label"], response.json()["confident"]) == (200, "NO", True)


async def test_too_many_waiters_do_not_undo_what_was_accepted(tmp_path: Path) -> None:
    async with open_door(tmp_path, max_waiters=1) as door:
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(door.ask(JPEG, wait=0.3)) for _ in range(5)]
        assert [task.result().status_code for task in asking] == [202] * 5
        assert len(await door.published()) == 5
