"""What every bus promises (services/kit/bus/port.py): publishing and receiving. The same for each adapter."""

import asyncio
from dataclasses import replace

import pytest

from contracts.topics import FACTS, IMAGE_QUERIES, MODEL_CHECKS
from services.kit.bus.port import MAX_BODY_BYTES, Bus, Delivery
from services.kit.errors import Undecodable
from tests.support.buses import bodies, drain, expect_depth, take
from tests.support.messages import ANSWERED, CHECK_MODEL, SUBMITTED, message, numbered, numbers


@pytest.mark.parametrize("body", [b"", bytes(range(256)) * 300, b"\x89PNG\r\n\x1a\n\x00"])
async def test_a_message_arrives_as_it_was_published(bus: Bus, body: bytes) -> None:
    sent = replace(
        message(SUBMITTED, body, headers={"cloudEvents_id": "evt_1", "note": "Größe ✓ \U0001f6aa", "empty": ""}),
        content_type="application/vnd.msgpack",
    )
    await bus.publish([sent])

    (delivery,) = await take(await bus.subscribe(IMAGE_QUERIES), 1)

    got = delivery.message
    assert (got.exchange, got.routing_key, got.content_type) == (sent.exchange, sent.routing_key, sent.content_type)
    assert dict(got.headers) == sent.headers
    assert got.body == body
    assert isinstance(got.body, bytes)
    assert delivery.attempt == 1


async def test_every_queue_of_a_topic_gets_the_message(bus: Bus) -> None:
    await bus.publish([message(SUBMITTED, b"picture")])

    for queue in (IMAGE_QUERIES, FACTS):
        subscription = await bus.subscribe(queue)
        deliveries = await take(subscription, 1)
        await subscription.ack(deliveries)
        assert bodies(deliveries) == [b"picture"]


async def test_a_queue_gets_nothing_of_other_topics(bus: Bus) -> None:
    await bus.publish([message(ANSWERED, b"answer"), message(SUBMITTED, b"picture"), message(CHECK_MODEL, b"model")])

    assert bodies(await take(await bus.subscribe(FACTS), 2)) == [b"answer", b"picture"]
    assert bodies(await take(await bus.subscribe(MODEL_CHECKS), 1)) == [b"model"]
    await expect_depth(bus, IMAGE_QUERIES, ready=1)


async def test_lanes_are_separate_where_the_queue_has_lanes(bus: Bus) -> None:
    slow = await bus.subscribe(IMAGE_QUERIES, lane="slow")
    default = await bus.subscribe(IMAGE_QUERIES)
    await bus.publish([message(SUBMITTED, b"for slow", lane="slow"), message(SUBMITTED, b"for default")])

    assert bodies(await take(slow, 1)) == [b"for slow"]
    assert bodies(await take(default, 1)) == [b"for default"]
    assert bodies(await take(await bus.subscribe(FACTS), 2)) == [b"for slow", b"for default"]
    await expect_depth(bus, IMAGE_QUERIES, lane="slow", unsettled=1)


async def test_an_unknown_version_goes_to_the_queues_of_its_type(bus: Bus) -> None:
    await bus.publish([message(SUBMITTED, b"from the future", version=9)])

    for queue in (IMAGE_QUERIES, FACTS):
        assert bodies(await take(await bus.subscribe(queue), 1)) == [b"from the future"]


async def test_a_single_consumer_gets_the_oldest_first(bus: Bus) -> None:
    await bus.publish(numbered(15))
    for each in numbered(15, start=15):
        await bus.publish([each])

    assert bodies(await take(await bus.subscribe(IMAGE_QUERIES, prefetch=100), 30)) == numbers(30)


async def test_concurrent_publishes_all_arrive_exactly_once(bus: Bus) -> None:
    await asyncio.gather(*(bus.publish([each]) for each in numbered(400)))

    subscription = await bus.subscribe(IMAGE_QUERIES, prefetch=400)
    deliveries = await take(subscription, 400)
    await subscription.ack(deliveries)

    assert sorted(bodies(deliveries)) == sorted(numbers(400))
    await expect_depth(bus, IMAGE_QUERIES)


@pytest.mark.parametrize(
    "routing_key",
    [
        "",
        "nonsense",
        "image_query.submitted",
        "image_query.submitted.v1",
        "image_query.submitted.v1.",
        "image_query.submitted.v0.default",
        "image_query.submitted.v1.Upper",
        "image_query.submitted.v1.default\n",
        "image_query.invented.v1.default",
    ],
)
async def test_a_routing_key_that_no_topic_has_is_refused(bus: Bus, routing_key: str) -> None:
    with pytest.raises(Undecodable):
        await bus.publish([replace(message(), routing_key=routing_key)])


async def test_a_topic_on_the_wrong_exchange_is_refused(bus: Bus) -> None:
    with pytest.raises(Undecodable):
        await bus.publish([replace(message(SUBMITTED), exchange="facts")])
    with pytest.raises(Undecodable):
        await bus.publish([replace(message(ANSWERED), exchange="in")])
    await expect_depth(bus, FACTS)


async def test_the_largest_body_is_taken_and_a_larger_one_is_refused(bus: Bus) -> None:
    largest = bytes(MAX_BODY_BYTES)
    with pytest.raises(Undecodable):
        await bus.publish([message(CHECK_MODEL, largest + b"!")])
    await bus.publish([message(CHECK_MODEL, largest)])

    (delivery,) = await take(await bus.subscribe(MODEL_CHECKS), 1)
    assert delivery.message.body == largest


async def test_receive_waits_for_a_message(bus: Bus) -> None:
    subscription = await bus.subscribe(IMAGE_QUERIES)
    receiving = asyncio.create_task(subscription.receive(5))
    await expect_depth(bus, IMAGE_QUERIES)
    assert not receiving.done()

    await bus.publish([message(SUBMITTED, b"at last")])

    async with asyncio.timeout(20):
        assert bodies(await receiving) == [b"at last"]


async def test_receive_returns_at_most_its_limit(bus: Bus) -> None:
    await bus.publish(numbered(5))
    subscription = await bus.subscribe(IMAGE_QUERIES)

    first = await subscription.receive(2)

    assert 1 <= len(first) <= 2
    assert bodies(first) + bodies(await take(subscription, 5 - len(first))) == numbers(5)


async def test_unsettled_deliveries_never_pass_the_prefetch(bus: Bus) -> None:
    await bus.publish(numbered(5))
    subscription = await bus.subscribe(IMAGE_QUERIES, prefetch=3)
    held = await take(subscription, 3)
    receiving = asyncio.create_task(subscription.receive(10))
    await bus.publish(numbered(1, start=5))
    await expect_depth(bus, IMAGE_QUERIES, ready=3, unsettled=3)
    assert not receiving.done()

    await subscription.ack(held[:1])

    async with asyncio.timeout(20):
        assert bodies(await receiving) == [b"3"]


@pytest.mark.parametrize("settle", ["retry", "reject", "park"])
async def test_every_way_to_settle_makes_room(bus: Bus, settle: str) -> None:
    await bus.publish(numbered(2))
    subscription = await bus.subscribe(IMAGE_QUERIES, prefetch=1)
    (first,) = await take(subscription, 1)

    if settle == "retry":
        await subscription.retry(first, 600.0)
    elif settle == "reject":
        await subscription.reject(first, "bad", "")
    else:
        await subscription.park(first, "unknown")

    assert bodies(await take(subscription, 1)) == [b"1"]


async def test_subscriptions_of_one_queue_share_its_messages(bus: Bus) -> None:
    one = await bus.subscribe(IMAGE_QUERIES, prefetch=1)
    other = await bus.subscribe(IMAGE_QUERIES, prefetch=1)
    await bus.publish(numbered(2))

    assert {*bodies(await take(one, 1)), *bodies(await take(other, 1))} == {b"0", b"1"}


async def test_consumers_that_drain_together_see_each_message_once(bus: Bus) -> None:
    subscriptions = [await bus.subscribe(IMAGE_QUERIES, prefetch=10) for _ in range(3)]
    seen: list[bytes] = []
    drains = [asyncio.create_task(drain(each, seen, 300)) for each in subscriptions for _ in range(2)]

    await asyncio.gather(*(bus.publish(numbered(10, start=start)) for start in range(0, 300, 10)))
    await asyncio.wait(drains, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    for each in subscriptions:
        await each.close()
    await asyncio.gather(*drains)

    assert sorted(seen) == sorted(numbers(300))
    await expect_depth(bus, IMAGE_QUERIES)


async def test_a_receive_that_is_cancelled_loses_nothing(bus: Bus) -> None:
    subscription = await bus.subscribe(IMAGE_QUERIES, prefetch=100)
    got: list[Delivery] = []
    for number in range(60):
        receiving = asyncio.create_task(subscription.receive(1))
        await bus.publish(numbered(1, start=number))
        for _ in range(number % 12):  # so that the cancel comes at different moments
            await asyncio.sleep(0)
        receiving.cancel()
        try:
            got += await receiving
        except asyncio.CancelledError:
            continue

    got += await take(subscription, 60 - len(got))

    assert sorted(bodies(got)) == sorted(numbers(60))
