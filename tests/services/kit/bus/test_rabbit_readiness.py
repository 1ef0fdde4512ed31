"""Readiness on RabbitMQ: whatever differs from the table is said in one line, and nothing hangs or loops unheard."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from contracts.topics import FACTS, IMAGE_QUERIES, MODEL_CHECKS
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.bus.rabbit.topology import EXCHANGES, parking_name, retry_name
from services.kit.errors import ConfigError, Unavailable
from tests.support.buses import bodies, take
from tests.support.messages import CHECK_MODEL, message
from tests.support.rabbit import empty_place, raw_channel
from tests.support.until import until

QUEUE = MODEL_CHECKS.queue_name()


@pytest.fixture
def place() -> Iterator[str]:
    with empty_place() as url:
        yield url


@pytest.fixture
async def bus(place: str) -> AsyncIterator[RabbitBus]:
    async with RabbitBus(place) as bus:
        yield bus


@pytest.mark.parametrize("name", [QUEUE, retry_name(QUEUE, 2.0), parking_name(QUEUE), FACTS.queue_name()])
async def test_a_queue_that_was_deleted_is_named(bus: RabbitBus, place: str, name: str) -> None:
    await bus.check()
    async with raw_channel(place) as channel:
        await channel.queue_delete(name)
    with pytest.raises(Unavailable, match=f"queue {name} is missing"):
        await bus.check()

    await bus.publish([message(CHECK_MODEL)])  # looks again, and declares it where it may

    await bus.check()


async def test_a_queue_that_was_declared_with_other_arguments_is_named(bus: RabbitBus, place: str) -> None:
    async with raw_channel(place) as channel:
        await channel.queue_delete(QUEUE)
        await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})

    with pytest.raises(Unavailable, match=f"queue {QUEUE} on RabbitMQ has other arguments"):
        await bus.check()
    with pytest.raises(Unavailable, match="other arguments"):
        await bus.publish([message(CHECK_MODEL)])
    with pytest.raises(ConfigError, match="other arguments"):
        async with RabbitBus(place):
            pass


async def test_a_consumer_whose_queue_came_back_with_other_arguments_says_so_once(bus: RabbitBus, place: str) -> None:
    with capture_logs() as logs:
        subscription = await bus.subscribe(MODEL_CHECKS)
        async with raw_channel(place) as channel:
            await channel.queue_delete(QUEUE)
            await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        with pytest.raises(Unavailable, match="other arguments"):
            await bus.check()
        await until(lambda: any(each["event"] == "bus.cannot_consume" for each in logs))

        async with raw_channel(place) as channel:
            await channel.queue_delete(QUEUE)
        await until(lambda: any(each["event"] == "bus.consuming_again" for each in logs))

    said = [each for each in logs if each["event"] == "bus.cannot_consume"]
    assert [(each["queue"], each["log_level"]) for each in said] == [(QUEUE, "error")]
    await bus.publish([message(CHECK_MODEL, b"well again")])
    assert bodies(await take(subscription, 1)) == [b"well again"]
    await bus.check()


async def test_services_that_all_start_at_once_declare_together(place: str) -> None:
    async with AsyncExitStack() as stack:
        buses = await asyncio.gather(*(stack.enter_async_context(RabbitBus(place)) for _ in range(8)))
        await asyncio.gather(*(bus.check() for bus in buses))


async def test_an_exchange_of_another_type_is_named(place: str) -> None:
    async with raw_channel(place) as channel:
        await channel.exchange_declare(EXCHANGES["facts"], exchange_type="fanout", durable=True)
    with pytest.raises(ConfigError, match=f"exchange {EXCHANGES['facts']}"):
        async with RabbitBus(place):
            pass


async def test_a_lane_is_part_of_the_check_from_its_first_use(bus: RabbitBus, place: str) -> None:
    await bus.subscribe(IMAGE_QUERIES, lane="slow")
    await bus.check()
    name = retry_name(IMAGE_QUERIES.queue_name("slow"), 0.5)
    async with raw_channel(place) as channel:
        await channel.queue_delete(name)
    with pytest.raises(Unavailable, match=f"queue {name} is missing"):
        await bus.check()


async def test_another_length_limit_than_declared_is_a_wrong_setting(place: str) -> None:
    async with RabbitBus(place, queue_limit_bytes=5_000_000):
        pass
    with pytest.raises(ConfigError, match="x-max-length-bytes"):
        async with RabbitBus(place, queue_limit_bytes=6_000_000):
            pass
