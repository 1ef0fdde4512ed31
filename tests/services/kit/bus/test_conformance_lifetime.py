"""What every bus promises (services/kit/bus/port.py): closing, reopening, broadcast. The same for each adapter."""

import asyncio

import pytest

from contracts.topics import CHANGES, DEAD, FACTS, IMAGE_QUERIES, MODEL_CHECKS, WAKE_UPS
from services.kit.bus.port import (
    DEAD_ATTEMPTS,
    DEAD_QUEUE,
    DEAD_REASON,
    DELIVERY_LIMIT,
    Bus,
    Delivery,
    Depth,
    delivery_limit,
)
from services.kit.errors import Unavailable
from tests.support.buses import Connect, bodies, expect_depth, take
from tests.support.messages import CHANGED, CHECK_MODEL, STORED, SUBMITTED, message, numbered, numbers


async def test_what_a_closed_subscription_did_not_settle_comes_again(bus: Bus) -> None:
    await bus.publish(numbered(3))
    first = await bus.subscribe(IMAGE_QUERIES)
    held = await take(first, 3)
    await first.ack(held[1:2])

    await first.close()

    await expect_depth(bus, IMAGE_QUERIES, ready=2)
    again = await take(await bus.subscribe(IMAGE_QUERIES), 2)
    assert [(each.message.body, each.attempt) for each in again] == [(b"0", 2), (b"2", 2)]


async def test_what_is_released_wakes_another_subscription(bus: Bus) -> None:
    await bus.publish(numbered(1))
    first = await bus.subscribe(IMAGE_QUERIES)
    await take(first, 1)
    other = await bus.subscribe(IMAGE_QUERIES)
    receiving = asyncio.create_task(other.receive(1))
    await expect_depth(bus, IMAGE_QUERIES, unsettled=1)

    await first.close()

    async with asyncio.timeout(20):
        assert bodies(await receiving) == [b"0"]


async def test_a_delivery_of_a_closed_subscription_is_passed_over(bus: Bus) -> None:
    await bus.publish(numbered(1))
    first = await bus.subscribe(IMAGE_QUERIES)
    (stale,) = await take(first, 1)
    await first.close()
    await first.ack([stale])
    await first.retry(stale, 600.0)
    second = await bus.subscribe(IMAGE_QUERIES)
    (again,) = await take(second, 1)

    await first.ack([stale])
    await second.ack([stale])
    await first.reject(stale, "late", "")

    await expect_depth(bus, IMAGE_QUERIES, unsettled=1)
    await expect_depth(bus, DEAD)
    await second.ack([again])
    await expect_depth(bus, IMAGE_QUERIES)


async def test_a_handler_that_is_cancelled_loses_nothing(bus: Bus) -> None:
    await bus.publish(numbered(4))
    first = await bus.subscribe(IMAGE_QUERIES)
    in_hand: asyncio.Queue[Delivery] = asyncio.Queue()

    async def handle() -> None:
        (delivery,) = await first.receive(1)
        await in_hand.put(delivery)
        await asyncio.Event().wait()
        await first.ack([delivery])

    handlers = [asyncio.create_task(handle()) for _ in range(4)]
    async with asyncio.timeout(20):
        for _ in handlers:
            await in_hand.get()
    for handler in handlers:
        handler.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)
    await first.close()

    again = await take(await bus.subscribe(IMAGE_QUERIES), 4)
    assert sorted(bodies(again)) == numbers(4)
    assert {each.attempt for each in again} == {2}


async def test_a_settlement_whose_caller_is_cancelled_takes_effect_or_not_as_a_whole(bus: Bus) -> None:
    await bus.publish(numbered(12, CHECK_MODEL))
    subscription = await bus.subscribe(MODEL_CHECKS)
    for delivery in await take(subscription, 12):
        settling = asyncio.create_task(subscription.reject(delivery, "bad", ""))
        for _ in range(int(delivery.message.body)):
            await asyncio.sleep(0)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
    await subscription.close()

    depths: list[Depth] = []
    async with asyncio.timeout(20):
        while sum(depth.ready for depth in depths) != 12:  # a broker's own counters may lag behind what it did
            depths = [await bus.depth(MODEL_CHECKS), await bus.depth(DEAD)]
    dead = await take(await bus.subscribe(DEAD), depths[1].ready)
    alive = await take(await bus.subscribe(MODEL_CHECKS), depths[0].ready)
    assert sorted(bodies(dead) + bodies(alive)) == sorted(numbers(12))


async def test_close_wakes_those_who_wait(bus: Bus) -> None:
    subscription = await bus.subscribe(IMAGE_QUERIES)
    receiving = [asyncio.create_task(subscription.receive(1)) for _ in range(3)]
    await expect_depth(bus, IMAGE_QUERIES)

    await subscription.close()
    await subscription.close()

    async with asyncio.timeout(20):
        assert [list(each) for each in await asyncio.gather(*receiving)] == [[], [], []]
    assert list(await subscription.receive(1)) == []


async def test_leaving_the_bus_closes_its_subscriptions(connect: Connect) -> None:
    async with connect() as bus:
        receiving = [
            asyncio.create_task((await bus.subscribe(queue)).receive(1)) for queue in (IMAGE_QUERIES, WAKE_UPS)
        ]
        await expect_depth(bus, IMAGE_QUERIES)

    async with asyncio.timeout(20):
        assert [list(each) for each in await asyncio.gather(*receiving)] == [[], []]


async def test_a_closed_bus_is_unavailable(connect: Connect) -> None:
    async with connect() as bus:
        await bus.check()
        subscription = await bus.subscribe(IMAGE_QUERIES)

    with pytest.raises(Unavailable):
        await bus.check()
    with pytest.raises(Unavailable):
        await bus.publish([message()])
    with pytest.raises(Unavailable):
        await bus.subscribe(IMAGE_QUERIES)
    with pytest.raises(Unavailable):
        await bus.depth(IMAGE_QUERIES)
    with pytest.raises(Unavailable):
        await bus.unpark(IMAGE_QUERIES, lambda _: True)
    assert list(await subscription.receive(1)) == []


async def test_a_new_connection_finds_everything(reopen: Connect) -> None:
    async with reopen() as bus:
        await bus.publish(numbered(6))
        subscription = await bus.subscribe(IMAGE_QUERIES)
        done, held, retried, parked, rejected = await take(subscription, 5)
        await subscription.ack([done])
        await subscription.retry(retried, 0.0)
        await subscription.park(parked, "unknown_version")
        await subscription.reject(rejected, "bad", "detail")

    async with reopen() as bus:
        await expect_depth(bus, IMAGE_QUERIES, ready=3, parked=1)
        subscription = await bus.subscribe(IMAGE_QUERIES)
        again = {each.message.body: each for each in await take(subscription, 3)}
        assert again[held.message.body].message == held.message
        assert {body: each.attempt for body, each in again.items()} == {b"1": 2, b"2": 2, b"5": 1}
        (dead,) = await take(await bus.subscribe(DEAD), 1)
        assert (dead.message.body, dead.message.headers[DEAD_REASON]) == (b"4", "bad")
        await subscription.ack(list(again.values()))

    async with reopen() as bus:
        await expect_depth(bus, IMAGE_QUERIES, parked=1)
        assert await bus.unpark(IMAGE_QUERIES, lambda _: True) == 1
        assert bodies(await take(await bus.subscribe(IMAGE_QUERIES), 1)) == [b"3"]


async def test_the_attempt_grows_with_every_connection_that_does_not_settle(reopen: Connect) -> None:
    async with reopen() as bus:
        await bus.publish([message(CHECK_MODEL)])

    for attempt in (1, 2, 3, 4):
        async with reopen() as bus:
            (delivery,) = await take(await bus.subscribe(MODEL_CHECKS), 1)
            assert delivery.attempt == attempt


async def test_a_delivery_says_how_often_it_came_back_and_a_retry_begins_anew(reopen: Connect) -> None:
    async with reopen() as bus:
        await bus.publish([message(CHECK_MODEL, b"first"), message(CHECK_MODEL, b"second")])
        subscription = await bus.subscribe(MODEL_CHECKS, prefetch=1)
        (unseen,) = await take(subscription, 1)
        assert (unseen.attempt, unseen.returned) == (1, 0)

    async with reopen() as bus:
        (once,) = await take(await bus.subscribe(MODEL_CHECKS, prefetch=1), 1)
        assert (once.message.body, once.attempt, once.returned) == (b"first", 2, 1)

    async with reopen() as bus:
        subscription = await bus.subscribe(MODEL_CHECKS, prefetch=2)
        (first, second) = await take(subscription, 2)
        assert (first.message.body, first.attempt, first.returned) == (b"first", 3, 2)
        assert (second.message.body, second.attempt, second.returned) == (b"second", 1, 0)
        await subscription.retry(first, 0.0)
        (first,) = await take(subscription, 1)
        assert (first.message.body, first.attempt, first.returned) == (b"first", 4, 0)


async def test_a_message_that_nobody_survives_becomes_a_dead_letter(bus: Bus) -> None:
    await bus.publish([message(CHECK_MODEL, b"poison")])
    for returned in range(delivery_limit(MODEL_CHECKS) + 1):
        subscription = await bus.subscribe(MODEL_CHECKS)
        (delivery,) = await take(subscription, 1)
        assert delivery.returned == returned
        await subscription.close()

    waiting = asyncio.create_task((await bus.subscribe(MODEL_CHECKS)).receive(1))
    (dead,) = await take(await bus.subscribe(DEAD), 1)
    assert (dead.message.body, dead.attempt, dead.returned) == (b"poison", 1, 0)
    assert dead.message.headers[DEAD_REASON] == DELIVERY_LIMIT
    assert dead.message.headers[DEAD_QUEUE] == MODEL_CHECKS.name
    assert dead.message.headers[DEAD_ATTEMPTS] == str(delivery_limit(MODEL_CHECKS) + 1)
    await expect_depth(bus, MODEL_CHECKS)
    await bus.publish([message(CHECK_MODEL, b"next")])
    assert bodies(await waiting) == [b"next"]


async def test_a_retry_that_was_waiting_comes_after_a_reopen(reopen: Connect) -> None:
    async with reopen() as bus:
        await bus.publish([message(CHECK_MODEL, b"later")])
        subscription = await bus.subscribe(MODEL_CHECKS)
        (delivery,) = await take(subscription, 1)
        await subscription.retry(delivery, 0.5)

    async with reopen() as bus:
        (again,) = await take(await bus.subscribe(MODEL_CHECKS), 1)
        assert (again.message.body, again.attempt) == (b"later", 2)


async def test_a_broadcast_reaches_every_subscription_from_then_on(bus: Bus) -> None:
    await bus.publish([message(STORED, b"before")])
    one = await bus.subscribe(WAKE_UPS)
    await bus.publish([message(STORED, b"first")])
    other = await bus.subscribe(WAKE_UPS)
    await bus.publish([message(STORED, b"second")])
    changes = await bus.subscribe(CHANGES)
    await bus.publish([message(CHANGED, b"door")])

    for_one = await take(one, 2)
    assert bodies(for_one) == [b"first", b"second"]
    assert {each.attempt for each in for_one} == {1}
    assert bodies(await take(other, 1)) == [b"second"]
    assert bodies(await take(changes, 1)) == [b"door"]


async def test_a_broadcast_wakes_a_receive_that_waits(bus: Bus) -> None:
    subscriptions = [await bus.subscribe(WAKE_UPS) for _ in range(2)]
    receiving = [asyncio.create_task(each.receive(1)) for each in subscriptions]
    await expect_depth(bus, FACTS)

    await bus.publish([message(STORED, b"wake up")])

    async with asyncio.timeout(20):
        assert [bodies(each) for each in await asyncio.gather(*receiving)] == [[b"wake up"], [b"wake up"]]


async def test_a_broadcast_is_settled_for_its_subscription_alone(bus: Bus) -> None:
    one, other = await bus.subscribe(WAKE_UPS), await bus.subscribe(WAKE_UPS)
    await bus.publish(numbered(3, STORED))
    for_one, for_other = await take(one, 3), await take(other, 3)

    await one.retry(for_one[0], 0.0)
    await one.reject(for_one[1], "bad", "")
    await one.park(for_one[2], "unknown_version")
    await other.ack(for_other)
    await bus.publish([message(STORED, b"last")])

    again = await take(one, 2)
    assert sorted((each.message.body, each.attempt) for each in again) == [(b"0", 2), (b"last", 1)]
    assert bodies(await take(other, 1)) == [b"last"]
    assert bodies(await take(await bus.subscribe(DEAD), 1)) == [b"1"]


async def test_a_broadcast_does_not_outlive_its_connection(reopen: Connect) -> None:
    async with reopen() as bus:
        await bus.subscribe(WAKE_UPS)  # and leaves what comes unread
        await bus.subscribe(WAKE_UPS)  # and leaves what comes unread
        await bus.publish([message(STORED, b"old"), message(SUBMITTED, b"kept")])

    async with reopen() as bus:
        subscription = await bus.subscribe(WAKE_UPS)
        await bus.publish([message(STORED, b"new")])
        assert bodies(await take(subscription, 1)) == [b"new"]
        await expect_depth(bus, IMAGE_QUERIES, ready=1)
