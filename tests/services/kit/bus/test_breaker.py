"""When everything fails a consumer stops taking, so that a bad deploy does not drain its queue into dead letters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from contracts.examples import EXAMPLES
from contracts.topics import DEAD, FACTS, IMAGE_QUERIES
from contracts.v1.image_query import ImageQuerySubmitted
from contracts.v1.query import QueryCancelled
from services.kit.bus.breaker import Breaker
from services.kit.bus.codec import encode, event_of
from services.kit.bus.consume import Consumer
from services.kit.bus.memory import MemoryBus
from services.kit.bus.outcomes import Done, Outcome, Reject, Retry, Work
from services.kit.bus.port import Message
from services.kit.errors import Unavailable
from services.kit.metrics import Metrics
from tests.support.buses import Connect, expect_depth
from tests.support.messages import ANSWERED, message
from tests.support.until import until

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
QUESTION = next(e for e in EXAMPLES if isinstance(e, ImageQuerySubmitted))
CANCELLED = next(e for e in EXAMPLES if isinstance(e, QueryCancelled))
QUICK = replace(IMAGE_QUERIES, retry=replace(IMAGE_QUERIES.retry, first_delay_s=0.01, longest_delay_s=0.01))
MOST = 5


def questions(count: int) -> list[Message]:
    return [encode(event_of(QUESTION, source="test", tenant="acme", at=AT, event_id=f"e{n}")) for n in range(count)]


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    async with MemoryBus() as opened:
        yield opened


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as caught:
        yield caught


class Worker:
    """A handler that does what `answer` says, and remembers what it has done."""

    def __init__(self, answer: Callable[[Work], Outcome]) -> None:
        self.answer = answer
        self.done: set[str] = set()
        self.asked = 0

    async def __call__(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        self.asked += len(batch)
        outcomes = [self.answer(work) for work in batch]
        self.done |= {work.event.id for work, o in zip(batch, outcomes, strict=True) if isinstance(o, Done)}
        return outcomes


def broken(_: Work) -> Outcome:
    raise TypeError("a bad deploy")


async def opened(consumer: Consumer) -> bool:
    try:
        await consumer.check()
    except Unavailable:
        return True
    return False


@pytest.mark.parametrize(
    ("fault", "batch"),
    [(broken, 1), (broken, 8), (lambda _: Reject("hopeless"), 8), (lambda _: Retry("busy", delay_s=0), 8)],
    ids=["raises, one by one", "raises", "rejects", "gives up"],
)
async def test_a_handler_broken_for_all_keeps_the_queue_and_once_healed_everything_is_answered(
    bus: MemoryBus,
    stack: AsyncExitStack,
    logs: list[EventDict],
    fault: Callable[[Work], Outcome],
    batch: int,
) -> None:
    worker, metrics = Worker(fault), Metrics()
    consumer = Consumer(bus, metrics, QUICK, worker, batch=batch, concurrency=2, most_failures=MOST)
    await consumer.start(stack, drain_s=5)
    await bus.publish(questions(60))
    await until(lambda: opened(consumer))
    with pytest.raises(Unavailable, match=r"the last 5 messages of inference\.image_queries\.g1\.default failed"):
        await consumer.check()
    asked = worker.asked
    await until(lambda: worker.asked > asked)  # one is tried, and fails
    assert [each["log_level"] for each in logs if each["event"] == "consume.breaker_opened"] == ["error"]
    buried = (await bus.depth(DEAD)).ready
    assert buried < MOST
    assert metrics.registry.get_sample_value("sightline_breakers_open", {"queue": QUICK.name}) == 1

    worker.answer = lambda _: Done()
    await until(lambda: len(worker.done) == 60 - buried)
    await expect_depth(bus, IMAGE_QUERIES)
    await expect_depth(bus, DEAD, ready=buried)
    await consumer.check()
    assert metrics.registry.get_sample_value("sightline_breakers_open", {"queue": QUICK.name}) == 0


async def test_on_every_bus_what_a_broken_worker_gives_back_is_done_by_one_that_works(connect: Connect) -> None:
    async with connect() as bus, AsyncExitStack() as stack:
        bad, good = Worker(broken), Worker(lambda _: Done())
        first = Consumer(bus, Metrics(), QUICK, bad, batch=8, concurrency=2, most_failures=MOST)
        await first.start(stack, drain_s=5)
        await bus.publish(questions(40))
        await until(lambda: opened(first))
        await Consumer(bus, Metrics(), QUICK, good, batch=8, most_failures=MOST).start(stack, drain_s=5)
        await until(lambda: len(good.done) == 40)
        await expect_depth(bus, IMAGE_QUERIES)
        await expect_depth(bus, DEAD)


async def test_facts_that_nobody_can_read_open_it_and_are_kept(bus: MemoryBus, stack: AsyncExitStack) -> None:
    quick = replace(FACTS, retry=replace(FACTS.retry, first_delay_s=0.01, longest_delay_s=0.01))
    worker = Worker(lambda _: Done())
    consumer = Consumer(bus, Metrics(), quick, worker, batch=8, most_failures=MOST)
    await consumer.start(stack, drain_s=5)
    await bus.publish([message(ANSWERED, b"%d" % number) for number in range(30)])
    await until(lambda: opened(consumer))
    assert (await bus.depth(DEAD)).ready == MOST - 1
    assert (await bus.depth(FACTS)).ready >= 30 - MOST


async def test_a_flood_of_garbage_from_devices_does_not_open_it(bus: MemoryBus, stack: AsyncExitStack) -> None:
    worker = Worker(lambda _: Done())
    consumer = Consumer(bus, Metrics(), QUICK, worker, batch=8, most_failures=MOST)
    await consumer.start(stack, drain_s=5)
    await bus.publish([message(body=b"garbage") for _ in range(100)])
    await expect_depth(bus, DEAD, ready=100)
    await consumer.check()
    await bus.publish(questions(1))
    await until(lambda: len(worker.done) == 1)


async def test_what_proves_nothing_neither_opens_nor_closes_it(bus: MemoryBus, stack: AsyncExitStack) -> None:
    worker = Worker(lambda _: Done(proves=False))
    consumer = Consumer(bus, Metrics(), QUICK, worker, most_failures=MOST)
    await consumer.start(stack, drain_s=5)
    await bus.publish(questions(3 * MOST))
    await expect_depth(bus, IMAGE_QUERIES)
    await consumer.check()

    worker.answer = lambda work: Done(proves=False) if int(work.event.id[1:]) % 2 else broken(work)
    await bus.publish(questions(2 * MOST))
    await until(lambda: opened(consumer))
    asked = worker.asked
    worker.answer = lambda _: Done(proves=False)
    await until(lambda: worker.asked > asked)
    assert await opened(consumer)


async def test_one_bad_message_among_good_ones_does_not_open_it(bus: MemoryBus, stack: AsyncExitStack) -> None:
    worker = Worker(lambda work: broken(work) if work.event.id == "e0" else Done())
    consumer = Consumer(bus, Metrics(), QUICK, worker, batch=8, most_failures=2)
    await consumer.start(stack, drain_s=5)
    await bus.publish(questions(8))
    await expect_depth(bus, IMAGE_QUERIES)
    await expect_depth(bus, DEAD, ready=1)  # tried as often as any other: nobody to blame but itself
    await consumer.check()


async def test_a_part_that_is_away_does_not_open_it(bus: MemoryBus, stack: AsyncExitStack) -> None:
    def away(_: Work) -> Outcome:
        raise Unavailable("the store is away")

    worker = Worker(away)
    consumer = Consumer(bus, Metrics(), QUICK, worker, batch=8, most_failures=MOST)
    await consumer.start(stack, drain_s=5)
    await bus.publish(questions(10))
    await until(lambda: worker.asked > 10 * MOST)
    await consumer.check()
    worker.answer = lambda _: Done()
    await expect_depth(bus, IMAGE_QUERIES)
    await expect_depth(bus, DEAD)


async def test_a_consumer_that_waits_for_its_next_trial_stops_at_once(bus: MemoryBus) -> None:
    async with AsyncExitStack() as stack:
        consumer = Consumer(bus, Metrics(), QUICK, Worker(broken), most_failures=1)
        await consumer.start(stack, drain_s=60)
        await bus.publish(questions(5))
        await until(lambda: opened(consumer))
        async with asyncio.timeout(10):
            await stack.aclose()
    await expect_depth(bus, IMAGE_QUERIES, ready=5)


def test_the_pause_between_trials_grows_to_a_minute_and_begins_anew() -> None:
    breaker = Breaker("queue", 1)
    assert breaker.pause_s() == 0
    assert breaker.fail("one", "broken")
    assert [breaker.pause_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert breaker.succeed()
    assert breaker.pause_s() == 0
    assert breaker.fail("one", "broken")
    assert breaker.pause_s() == 1


def test_a_message_that_fails_again_and_again_counts_once() -> None:
    breaker = Breaker("queue", 2)
    assert not any(breaker.fail("one", "broken") for _ in range(5))
    assert breaker.fail("two", "broken")
