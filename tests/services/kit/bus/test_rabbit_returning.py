"""A consumer of RabbitMQ's that is lost and comes back, and whoever asks after it or closes it meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from contracts.topics import MODEL_CHECKS
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.errors import Unavailable
from tests.support.buses import expect_depth, healthy, take
from tests.support.held_frames import BASIC_CONSUME, held_frames
from tests.support.messages import CHECK_MODEL, message
from tests.support.rabbit import empty_place, raw_channel, suspended
from tests.support.until import until


@pytest.fixture
def place() -> Iterator[str]:
    with empty_place() as url:
        yield url


@pytest.fixture
async def bus(place: str) -> AsyncIterator[RabbitBus]:
    async with RabbitBus(place) as bus:
        yield bus


async def test_who_asks_after_a_consumer_that_is_coming_back_does_not_send_it_away_again(place: str) -> None:
    async with held_frames(place, BASIC_CONSUME) as wire, RabbitBus(wire.url) as bus:
        await bus.publish([message(CHECK_MODEL)])
        subscription = await bus.subscribe(MODEL_CHECKS)
        await take(subscription, 1)

        wire.hold()
        wire.cut()
        await until(lambda: wire.asked == 2)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await subscription.check()
        wire.release()

        await until(lambda: healthy(bus))
        (again,) = await take(subscription, 1)
        assert (again.attempt, wire.asked) == (2, 2)


async def test_a_queue_that_is_too_busy_to_say_who_consumes_keeps_its_consumer(bus: RabbitBus, place: str) -> None:
    subscription = await bus.subscribe(MODEL_CHECKS)
    await bus.publish([message(CHECK_MODEL)])
    held = await take(subscription, 1)
    with suspended(place, MODEL_CHECKS.queue_name()), pytest.raises(Unavailable, match="who consumes"):
        await subscription.check()

    await until(lambda: healthy(bus))
    assert subscription.holds(held[0])
    await subscription.ack(held)
    await expect_depth(bus, MODEL_CHECKS)


@pytest.mark.parametrize("turns", range(12))
async def test_a_consumer_that_was_sent_away_can_be_closed_at_any_moment(
    bus: RabbitBus, place: str, turns: int
) -> None:
    subscription = await bus.subscribe(MODEL_CHECKS)
    async with raw_channel(place) as channel:
        await channel.queue_delete(MODEL_CHECKS.queue_name())
        await channel.queue_declare(MODEL_CHECKS.queue_name(), durable=True, arguments={"x-queue-type": "quorum"})
    with suppress(Unavailable):
        await subscription.check()
    for _ in range(turns):
        await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await subscription.close()
