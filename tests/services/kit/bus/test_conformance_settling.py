"""What every bus promises (services/kit/bus/port.py): settling. The same for each adapter."""

import asyncio
import time
from dataclasses import replace

from contracts.topics import DEAD, FACTS, IMAGE_QUERIES, MODEL_CHECKS
from services.kit.bus.port import DEAD_ATTEMPTS, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, Bus
from tests.support.buses import bodies, expect_depth, take
from tests.support.messages import CHECK_MODEL, SUBMITTED, message, numbered


async def test_what_was_acknowledged_does_not_come_again(bus: Bus) -> None:
    await bus.publish(numbered(3))
    first = await bus.subscribe(IMAGE_QUERIES)
    await first.ack(await take(first, 3))
    await first.close()
    await bus.publish([message(SUBMITTED, b"next")])

    (delivery,) = await take(await bus.subscribe(IMAGE_QUERIES), 1)

    assert (delivery.message.body, delivery.attempt) == (b"next", 1)
    await expect_depth(bus, IMAGE_QUERIES, unsettled=1)


async def test_a_subscription_knows_what_it_holds(bus: Bus) -> None:
    await bus.publish(numbered(4))
    subscription = await bus.subscribe(IMAGE_QUERIES)
    done, retried, rejected, held = await take(subscription, 4)
    assert all(map(subscription.holds, (done, retried, rejected, held)))
    await subscription.ack([done])
    await subscription.retry(retried, 60.0)
    await subscription.reject(rejected, "bad", "")
    assert [subscription.holds(each) for each in (done, retried, rejected, held)] == [False, False, False, True]
    await subscription.close()
    assert not subscription.holds(held)


async def test_settling_again_changes_nothing(bus: Bus) -> None:
    await bus.publish([message(CHECK_MODEL, b"once")])
    subscription = await bus.subscribe(MODEL_CHECKS)
    (delivery,) = await take(subscription, 1)
    await subscription.ack([delivery])

    await subscription.ack([delivery, delivery])
    await subscription.retry(delivery, 0.0)
    await subscription.reject(delivery, "late", "")
    await subscription.park(delivery, "late")

    await expect_depth(bus, MODEL_CHECKS)
    await expect_depth(bus, DEAD)


async def test_an_ack_of_an_earlier_attempt_does_not_touch_the_later_one(bus: Bus) -> None:
    await bus.publish([message(CHECK_MODEL)])
    subscription = await bus.subscribe(MODEL_CHECKS)
    (first,) = await take(subscription, 1)
    await subscription.retry(first, 0.0)
    (second,) = await take(subscription, 1)

    await subscription.ack([first])

    await expect_depth(bus, MODEL_CHECKS, unsettled=1)
    await subscription.ack([second])
    await expect_depth(bus, MODEL_CHECKS)


async def test_retry_comes_back_to_its_queue_alone_after_the_delay(bus: Bus) -> None:
    await bus.publish([message(SUBMITTED, b"stubborn", headers={"note": "same"})])
    subscription = await bus.subscribe(IMAGE_QUERIES)
    (delivery,) = await take(subscription, 1)
    first = delivery.message

    for attempt, delay_s in ((2, 0.0), (3, 0.3)):
        began_s = time.monotonic()
        await subscription.retry(delivery, delay_s)
        (delivery,) = await take(subscription, 1)
        assert time.monotonic() - began_s >= delay_s
        assert (delivery.message, delivery.attempt) == (first, attempt)

    await subscription.ack([delivery])
    await expect_depth(bus, IMAGE_QUERIES)
    await expect_depth(bus, FACTS, ready=1)


async def test_a_delayed_retry_counts_as_ready_and_holds_up_nobody(bus: Bus) -> None:
    await bus.publish(numbered(1))
    subscription = await bus.subscribe(IMAGE_QUERIES, prefetch=1)
    (delivery,) = await take(subscription, 1)
    await subscription.retry(delivery, 600.0)
    await expect_depth(bus, IMAGE_QUERIES, ready=1)

    await bus.publish(numbered(1, start=1))

    assert bodies(await take(subscription, 1)) == [b"1"]


async def test_a_shorter_retry_wakes_a_receive_that_waits_for_a_longer_one(bus: Bus) -> None:
    await bus.publish(numbered(2))
    subscription = await bus.subscribe(IMAGE_QUERIES)
    long, short = await take(subscription, 2)
    await subscription.retry(long, 600.0)
    receiving = asyncio.create_task(subscription.receive(2))
    await expect_depth(bus, IMAGE_QUERIES, ready=1, unsettled=1)

    await subscription.retry(short, 0.2)

    async with asyncio.timeout(20):
        assert bodies(await receiving) == [b"1"]


async def test_a_rejected_message_becomes_a_dead_letter_that_says_why(bus: Bus) -> None:
    sent = message(SUBMITTED, b"\x00 not a picture", lane="slow", headers={"cloudEvents_subject": "iq_1"})
    subscription = await bus.subscribe(IMAGE_QUERIES, lane="slow")
    await bus.publish([sent])
    (first,) = await take(subscription, 1)
    await subscription.retry(first, 0.0)
    (second,) = await take(subscription, 1)

    await subscription.reject(second, "not_an_image", "magic bytes: Größe 0")

    (dead,) = await take(await bus.subscribe(DEAD), 1)
    assert dict(dead.message.headers) == {
        **sent.headers,
        DEAD_QUEUE: "inference.image_queries",
        DEAD_REASON: "not_an_image",
        DEAD_DETAIL: "magic bytes: Größe 0",
        DEAD_ATTEMPTS: "2",
    }
    assert replace(dead.message, headers=sent.headers) == replace(sent, user=dead.message.user)
    assert dead.attempt == 1
    await expect_depth(bus, IMAGE_QUERIES, lane="slow")
    await expect_depth(bus, FACTS, ready=1)


async def test_a_dead_letter_wakes_its_consumer(bus: Bus) -> None:
    dead = await bus.subscribe(DEAD)
    receiving = asyncio.create_task(dead.receive(1))
    await bus.publish([message(CHECK_MODEL, b"bad")])
    subscription = await bus.subscribe(MODEL_CHECKS)
    (delivery,) = await take(subscription, 1)
    await expect_depth(bus, DEAD)

    await subscription.reject(delivery, "bad_model", "")

    async with asyncio.timeout(20):
        assert bodies(await receiving) == [b"bad"]


async def test_unpark_wakes_a_receive_that_waits(bus: Bus) -> None:
    await bus.publish([message(CHECK_MODEL, b"new", version=2)])
    subscription = await bus.subscribe(MODEL_CHECKS)
    await subscription.park((await take(subscription, 1))[0], "unknown_version")
    receiving = asyncio.create_task(subscription.receive(1))
    await expect_depth(bus, MODEL_CHECKS, parked=1)

    assert await bus.unpark(MODEL_CHECKS, lambda _: True) == 1

    async with asyncio.timeout(20):
        assert bodies(await receiving) == [b"new"]


async def test_what_the_dead_queue_rejects_is_parked(bus: Bus) -> None:
    await bus.publish([message(CHECK_MODEL, b"hopeless")])
    subscription = await bus.subscribe(MODEL_CHECKS)
    await subscription.reject((await take(subscription, 1))[0], "bad_model", "no")
    dead = await bus.subscribe(DEAD)
    (first,) = await take(dead, 1)

    await dead.reject(first, "attempts_exhausted", "the store never came back")

    await expect_depth(bus, DEAD, parked=1)
    assert await bus.unpark(DEAD, lambda parked: parked.headers[DEAD_REASON] == "bad_model") == 1
    (again,) = await take(dead, 1)
    assert (again.message, again.attempt) == (first.message, 1)


async def test_parked_messages_wait_until_they_are_known(bus: Bus) -> None:
    sent = [message(SUBMITTED, str(version).encode(), version=version) for version in (7, 8, 7)]
    await bus.publish(sent)
    subscription = await bus.subscribe(IMAGE_QUERIES)
    for delivery in await take(subscription, 3):
        await subscription.park(delivery, "unknown_version")
    await expect_depth(bus, IMAGE_QUERIES, parked=3)

    assert await bus.unpark(IMAGE_QUERIES, lambda parked: ".v7." in parked.routing_key) == 2

    known = await take(subscription, 2)
    assert [(each.message.body, each.attempt) for each in known] == [(b"7", 1), (b"7", 1)]
    assert dict(known[0].message.headers) == sent[0].headers
    await subscription.ack(known)
    await expect_depth(bus, IMAGE_QUERIES, parked=1)
    assert await bus.unpark(IMAGE_QUERIES, lambda _: False) == 0
    await expect_depth(bus, FACTS, ready=3)


async def test_depth_counts_ready_unsettled_and_parked(bus: Bus) -> None:
    await expect_depth(bus, IMAGE_QUERIES, lane="unused")
    await bus.publish(numbered(4))
    await expect_depth(bus, IMAGE_QUERIES, ready=4)
    subscription = await bus.subscribe(IMAGE_QUERIES, prefetch=2)
    held = await take(subscription, 2)
    await expect_depth(bus, IMAGE_QUERIES, ready=2, unsettled=2)
    await subscription.park(held[0], "unknown_version")
    await subscription.close()
    await expect_depth(bus, IMAGE_QUERIES, ready=3, parked=1)
