"""The sweeper as it mends: lost work is published again, and given up only when that is certain."""

import asyncio
from datetime import timedelta

from contracts.topics import IMAGE_QUERIES
from contracts.v1.image_query import ImageQueryAnswered
from services.kit.bus.codec import decode
from services.kit.bus.port import Subscription
from services.kit.metrics import Metrics
from services.result_store.sweeping import Sweeper
from services.result_store.writing import Writer
from tests.support.buses import take
from tests.support.result_store import START, House


async def lose_all(house: House, inference: Subscription) -> None:
    """Empty the queue without doing the work."""
    while (depth := await house.platform.bus.depth(IMAGE_QUERIES)).ready + depth.unsettled:
        await inference.ack(await inference.receive(100))


async def test_two_sweepers_at_once_count_one_try(house: House) -> None:
    """Otherwise each further process would halve the time until a query is given up."""
    old, later = house.question(b"old"), house.question(b"later", seconds=5)
    await house.publish(old, later, ImageQueryAnswered(answers=(house.answer(later),)))
    await house.known(later.query_id, revision=2)
    inference = await house.platform.bus.subscribe(IMAGE_QUERIES, prefetch=100)
    await lose_all(house, inference)
    other = Sweeper(house.platform, Writer(house.platform.store, Metrics(), retention=timedelta(days=30)))
    for tries in (1, 2):
        house.clock.at += timedelta(seconds=61)
        await asyncio.gather(house.service.sweeper.sweep(), other.sweep())
        document = await house.known(old.query_id)
        assert (document.sweeps, document.state) == (tries, "submitted")
        await lose_all(house, inference)  # perhaps two, which is harmless
    house.clock.at += timedelta(seconds=61)
    await asyncio.gather(house.service.sweeper.sweep(), other.sweep())
    document = await house.known(old.query_id)
    assert (document.state, document.error and document.error.reason) == ("failed", "lost")


async def test_a_purged_queue_is_mended_in_one_pass(house: House) -> None:
    lost = [house.question(b"%d" % number, seconds=number / 1000) for number in range(450)]
    later = house.question(b"later", seconds=5)
    await house.publish(*lost, later, ImageQueryAnswered(answers=(house.answer(later),)))
    await house.known(later.query_id, revision=2)
    await house.known(lost[-1].query_id)
    inference = await house.platform.bus.subscribe(IMAGE_QUERIES, prefetch=500)
    await inference.ack(await take(inference, 451))
    house.clock.at += timedelta(seconds=61)
    await house.service.sweeper.sweep()
    again = await take(inference, 450)
    assert {decode(delivery.message).subject for delivery in again} == {question.query_id for question in lost}


async def test_a_query_that_waits_behind_others_after_it_was_published_again_is_not_given_up(
    house: House,
) -> None:
    """It lies at the end of the queue now: that those before it are answered says nothing."""
    lost, *others = [house.question(b"%d" % number, seconds=number) for number in range(5)]
    await house.publish(lost, *others)
    await house.known(others[-1].query_id)
    for number, other in enumerate(others):
        await house.publish(ImageQueryAnswered(answers=(house.answer(other),)))
        await house.known(other.query_id, revision=2)
        house.clock.at = START + timedelta(seconds=61 * (number + 1))
        await house.service.sweeper.sweep()
    document = await house.known(lost.query_id)
    assert (document.sweeps, document.state) == (1, "submitted")
    await lose_all(house, await house.platform.bus.subscribe(IMAGE_QUERIES, prefetch=100))
    house.clock.at += timedelta(seconds=61)
    await house.service.sweeper.sweep()
    assert (await house.known(lost.query_id)).sweeps == 2
