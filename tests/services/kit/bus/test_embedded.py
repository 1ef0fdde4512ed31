"""What the embedded buses promise beyond the port."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.topics import DEAD, IMAGE_QUERIES, MODEL_CHECKS, WAKE_UPS
from services.kit.bus.embedded import LONGEST_BROADCAST, EmbeddedBus
from services.kit.bus.memory import MemoryBus
from services.kit.bus.sqlite import SqliteBus
from services.kit.errors import Undecodable
from tests.support.buses import bodies, drain, expect_depth, take
from tests.support.messages import CHECK_MODEL, STORED, SUBMITTED, message, numbered, numbers


@pytest.fixture(params=["memory", "sqlite"])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    async with MemoryBus() if request.param == "memory" else SqliteBus(tmp_path / "bus.sqlite") as bus:
        yield bus


async def test_a_lane_that_nobody_consumes_yet_keeps_its_messages(bus: EmbeddedBus) -> None:
    await bus.publish(numbered(2, SUBMITTED, lane="night"))
    await expect_depth(bus, IMAGE_QUERIES, lane="night", ready=2)

    assert bodies(await take(await bus.subscribe(IMAGE_QUERIES, lane="night"), 2)) == numbers(2)


async def test_a_publish_with_one_bad_message_stores_none(bus: EmbeddedBus) -> None:
    with pytest.raises(Undecodable):
        await bus.publish([message(CHECK_MODEL), replace(message(CHECK_MODEL), routing_key="nonsense")])
    await expect_depth(bus, MODEL_CHECKS)


async def test_a_sender_who_is_only_claimed_is_not_passed_on(bus: EmbeddedBus) -> None:
    await bus.publish([replace(message(CHECK_MODEL), user="somebody else")])
    (delivery,) = await take(await bus.subscribe(MODEL_CHECKS), 1)
    assert delivery.message.user == ""


async def test_a_cancelled_receive_is_no_attempt(bus: EmbeddedBus) -> None:
    subscription = await bus.subscribe(MODEL_CHECKS, prefetch=1)
    await bus.publish([message(CHECK_MODEL)])
    handed_out = 0
    for yields in range(20):
        receiving = asyncio.create_task(subscription.receive(1))
        for _ in range(yields % 5):
            await asyncio.sleep(0)
        if receiving.cancel():
            with pytest.raises(asyncio.CancelledError):
                await receiving
            continue
        handed_out += 1
        await subscription.retry((await receiving)[0], 0.0)

    (delivery,) = await take(subscription, 1)
    assert delivery.attempt == handed_out + 1


async def test_a_cancelled_publish_wakes_the_consumer_if_it_took_effect(bus: EmbeddedBus) -> None:
    subscription = await bus.subscribe(MODEL_CHECKS)
    draining = asyncio.create_task(drain(subscription, [], 1000))
    for yields in range(20):
        publishing = asyncio.create_task(bus.publish([message(CHECK_MODEL)]))
        await cancel_after(publishing, yields % 6)
        await bus.check()  # behind the publish, if it got that far
        await expect_depth(bus, MODEL_CHECKS)
    await subscription.close()
    await draining


async def test_a_cancelled_reject_wakes_the_consumer_of_dead_letters_if_it_took_effect(bus: EmbeddedBus) -> None:
    dead = await bus.subscribe(DEAD)
    buried: list[bytes] = []
    draining = asyncio.create_task(drain(dead, buried, 1000))
    await bus.publish(numbered(20, CHECK_MODEL))
    for yields in range(20):
        alive = await bus.subscribe(MODEL_CHECKS)
        (delivery,) = await take(alive, 1)
        await cancel_after(asyncio.create_task(alive.reject(delivery, "bad", "")), yields % 6)
        await bus.check()  # behind the reject, if it got that far
        await expect_depth(bus, DEAD)
        await alive.close()
    await dead.close()
    await draining

    assert 0 < len(buried) < 20
    await expect_depth(bus, MODEL_CHECKS, ready=20 - len(buried))


async def test_the_first_way_to_settle_counts(bus: EmbeddedBus) -> None:
    await bus.publish(numbered(2, CHECK_MODEL))
    subscription = await bus.subscribe(MODEL_CHECKS)
    first, second = await take(subscription, 2)

    await asyncio.gather(subscription.retry(first, 600.0), subscription.ack([first]))
    await asyncio.gather(subscription.park(second, "odd"), subscription.reject(second, "bad", ""))

    await expect_depth(bus, MODEL_CHECKS, ready=1, parked=1)
    await expect_depth(bus, DEAD)


async def test_leaving_the_bus_leaves_no_task_behind(tmp_path: Path) -> None:
    async with SqliteBus(tmp_path / "bus.sqlite") as bus:
        subscription = await bus.subscribe(MODEL_CHECKS)
        await bus.publish([message(CHECK_MODEL)])
        (delivery,) = await take(subscription, 1)
        await cancel_after(asyncio.create_task(subscription.ack([delivery])), 2)
        await cancel_after(asyncio.create_task(bus.publish(numbered(3))), 2)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_consumer_that_falls_far_behind_loses_the_oldest_broadcasts(bus: EmbeddedBus) -> None:
    subscription = await bus.subscribe(WAKE_UPS, prefetch=LONGEST_BROADCAST)
    await bus.publish(numbered(LONGEST_BROADCAST + 2, STORED))

    assert bodies(await take(subscription, LONGEST_BROADCAST)) == numbers(LONGEST_BROADCAST, start=2)


async def cancel_after(task: asyncio.Task[Any], yields: int) -> None:
    """Cancel `task` after so many turns of the event loop, when it may not have begun, be at work, or be done."""
    for _ in range(yields):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_cannot_work_is_said_at_once(bus: EmbeddedBus) -> None:
    with pytest.raises(ValueError, match="prefetch"):
        await bus.subscribe(MODEL_CHECKS, prefetch=0)
    with pytest.raises(ValueError, match="limit"):
        await (await bus.subscribe(MODEL_CHECKS)).receive(0)
    with pytest.raises(ValueError, match="broadcast"):
        await bus.depth(WAKE_UPS)
    with pytest.raises(ValueError, match="broadcast"):
        await bus.unpark(WAKE_UPS, lambda _: True)
