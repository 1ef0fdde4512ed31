"""The consume loop: outcomes become ack, retry, dead letter or park, in one place."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.examples import EXAMPLES
from contracts.topics import DEAD, FACTS, IMAGE_QUERIES, WAKE_UPS
from contracts.v1.image_query import ImageQuerySubmitted
from contracts.v1.query import QueryCancelled
from contracts.v1.results import ResultsStored
from services.kit.bus.codec import decode, encode, event_of
from services.kit.bus.consume import Consumer
from services.kit.bus.intake import Linger
from services.kit.bus.memory import MemoryBus
from services.kit.bus.outcomes import Done, Handler, Outcome, Reject, Retry, Work
from services.kit.bus.port import DEAD_ATTEMPTS, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, MAX_BODY_BYTES, Message
from services.kit.errors import Unavailable
from services.kit.metrics import Metrics
from tests.support.buses import expect_depth, take
from tests.support.messages import message

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
QUESTION = next(e for e in EXAMPLES if isinstance(e, ImageQuerySubmitted))
CANCELLED = next(e for e in EXAMPLES if isinstance(e, QueryCancelled))
QUICK = replace(IMAGE_QUERIES, retry=replace(IMAGE_QUERIES.retry, attempts=2, first_delay_s=0.01))
STORED = next(e for e in EXAMPLES if isinstance(e, ResultsStored))


def question(event_id: str = "e1") -> Message:
    return encode(event_of(QUESTION, source="test", tenant="acme", at=AT, event_id=event_id))


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    async with MemoryBus() as opened:
        yield opened


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


class Recorder:
    """A handler that remembers what it was given and answers by a function."""

    def __init__(self, answer: Callable[[Work], Outcome]) -> None:
        self.answer = answer
        self.batches: list[Sequence[Work]] = []
        self.called = asyncio.Condition()

    async def __call__(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        async with self.called:
            self.batches.append(batch)
            self.called.notify_all()
        return [self.answer(work) for work in batch]

    async def wait_for(self, messages: int) -> None:
        async with asyncio.timeout(10), self.called:
            await self.called.wait_for(lambda: sum(map(len, self.batches)) >= messages)


async def start(
    bus: MemoryBus,
    stack: AsyncExitStack,
    handler: Handler,
    *,
    batch: int = 8,
    drain_s: float = 5,
    linger: Linger | None = None,
    concurrency: int = 1,
) -> Consumer:
    consumer = Consumer(bus, Metrics(), IMAGE_QUERIES, handler, batch=batch, linger=linger, concurrency=concurrency)
    await consumer.start(stack, drain_s=drain_s)
    return consumer


async def test_done_publishes_its_events_and_then_acknowledges(bus: MemoryBus, stack: AsyncExitStack) -> None:
    fact = event_of(CANCELLED, source="test", tenant="acme", at=AT)
    recorder = Recorder(lambda _: Done([fact]))
    await start(bus, stack, recorder)
    facts = await bus.subscribe(FACTS)
    await bus.publish([question()])
    [submitted, cancelled] = await take(facts, 2)
    assert decode(submitted.message).payload == QUESTION
    assert decode(cancelled.message) == fact
    await expect_depth(bus, IMAGE_QUERIES)


async def test_retry_comes_again_with_a_higher_attempt_and_then_is_done(bus: MemoryBus, stack: AsyncExitStack) -> None:
    recorder = Recorder(lambda work: Done() if work.attempt == 3 else Retry("busy", delay_s=0.01))
    await start(bus, stack, recorder)
    await bus.publish([question()])
    await recorder.wait_for(3)
    assert [work.attempt for [work] in recorder.batches] == [1, 2, 3]
    await expect_depth(bus, IMAGE_QUERIES)


async def test_the_last_retry_becomes_a_dead_letter_with_its_reason(bus: MemoryBus, stack: AsyncExitStack) -> None:
    recorder = Recorder(lambda _: Retry("busy", "the model is loading", delay_s=0))
    await start(bus, stack, recorder)
    dead = await bus.subscribe(DEAD)
    await bus.publish([question()])
    [letter] = await take(dead, 1)
    headers = letter.message.headers
    assert headers[DEAD_REASON] == "attempts_exhausted"
    assert "busy: the model is loading" in headers[DEAD_DETAIL]
    assert headers[DEAD_QUEUE] == IMAGE_QUERIES.name
    assert headers[DEAD_ATTEMPTS] == str(IMAGE_QUERIES.retry.attempts)
    assert len(recorder.batches) == IMAGE_QUERIES.retry.attempts
    assert recorder.batches[-1][0].last_attempt
    assert not recorder.batches[-2][0].last_attempt


async def test_the_delay_of_a_retry_grows_with_the_attempt(bus: MemoryBus, stack: AsyncExitStack) -> None:
    recorder = Recorder(lambda _: Retry("busy"))
    queue = replace(IMAGE_QUERIES, retry=replace(IMAGE_QUERIES.retry, attempts=3, first_delay_s=0.1))
    await Consumer(bus, Metrics(), queue, recorder).start(stack, drain_s=5)
    dead = await bus.subscribe(DEAD)
    began_s = time.monotonic()
    await bus.publish([question()])
    await take(dead, 1)
    assert time.monotonic() - began_s >= 0.1 + 0.2
    assert [IMAGE_QUERIES.retry.delay_s(attempt) for attempt in (1, 2, 3, 8, 100)] == [0.5, 1.0, 2.0, 60.0, 60.0]


async def test_a_part_that_is_away_costs_no_message_however_long(bus: MemoryBus, stack: AsyncExitStack) -> None:
    outage = IMAGE_QUERIES.retry.attempts + 3

    def answer(work: Work) -> Outcome:
        if work.attempt <= outage // 2:
            return Retry("store_unavailable", delay_s=0, blameless=True)
        if work.attempt <= outage:
            raise Unavailable("the store is away")
        return Done()

    queue = replace(IMAGE_QUERIES, retry=replace(IMAGE_QUERIES.retry, first_delay_s=0.001, longest_delay_s=0.001))
    recorder = Recorder(answer)
    await Consumer(bus, Metrics(), queue, recorder).start(stack, drain_s=5)
    await bus.publish([question()])
    await recorder.wait_for(outage + 1)
    await expect_depth(bus, IMAGE_QUERIES)
    await expect_depth(bus, DEAD)


async def test_an_output_that_the_bus_cannot_take_rejects_its_message_and_no_other(
    bus: MemoryBus, stack: AsyncExitStack
) -> None:
    huge = CANCELLED.model_copy(update={"cancelled_by": "x" * MAX_BODY_BYTES})
    too_large = event_of(huge, source="test", tenant="acme", at=AT)
    fine = event_of(CANCELLED, source="test", tenant="acme", at=AT)
    dead, facts = await bus.subscribe(DEAD), await bus.subscribe(FACTS)
    await bus.publish([question("huge"), question("fine")])
    recorder = Recorder(lambda work: Done([too_large if work.event.id == "huge" else fine]))
    consumer = await start(bus, stack, recorder)
    [letter] = await take(dead, 1)
    assert decode(letter.message).id == "huge"
    assert letter.message.headers[DEAD_REASON] == "bad_output"
    bodies = [decode(each.message) for each in await take(facts, 3)]
    assert fine in bodies
    await expect_depth(bus, IMAGE_QUERIES)
    await consumer.check()


async def test_reject_is_a_dead_letter_at_once(bus: MemoryBus, stack: AsyncExitStack) -> None:
    recorder = Recorder(lambda _: Reject("hopeless", "why"))
    await start(bus, stack, recorder)
    dead = await bus.subscribe(DEAD)
    await bus.publish([question()])
    [letter] = await take(dead, 1)
    assert (letter.message.headers[DEAD_REASON], letter.message.headers[DEAD_DETAIL]) == ("hopeless", "why")
    assert letter.message.body == question().body
    assert len(recorder.batches) == 1


async def test_one_message_that_raises_does_not_punish_its_batch(bus: MemoryBus, stack: AsyncExitStack) -> None:
    def answer(work: Work) -> Outcome:
        if work.event.id == "bad":
            raise RuntimeError("what it was given")
        return Done()

    await bus.publish([question("good1"), question("bad"), question("good2")])
    recorder = Recorder(answer)
    dead = await bus.subscribe(DEAD)
    consumer = Consumer(bus, Metrics(), QUICK, recorder, batch=8)
    await consumer.start(stack, drain_s=5)
    [letter] = await take(dead, 1)
    assert decode(letter.message).id == "bad"
    detail = letter.message.headers[DEAD_DETAIL]
    assert "RuntimeError" in detail
    assert "what it was given" not in detail, "the log has it; whoever asked may be anybody"
    await expect_depth(bus, IMAGE_QUERIES)
    attempts = [work.event.id for batch in recorder.batches if len(batch) == 1 for work in batch]
    assert attempts.count("good1") == attempts.count("good2") == 1


async def test_what_came_back_twice_is_handled_alone_after_its_batch(bus: MemoryBus, stack: AsyncExitStack) -> None:
    await bus.publish([question("suspect"), question("seen once"), question("new")])
    for left in (2, 1):
        subscription = await bus.subscribe(IMAGE_QUERIES)
        await take(subscription, left)
        await subscription.close()
    recorder = Recorder(lambda _: Done())
    await start(bus, stack, recorder)
    await recorder.wait_for(3)
    assert [[work.event.id for work in batch] for batch in recorder.batches] == [["seen once", "new"], ["suspect"]]
    assert [work.returned for batch in recorder.batches for work in batch] == [1, 0, 2]
    assert [work.suspect for batch in recorder.batches for work in batch] == [False, False, True]


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_what_is_not_urgent_waits_for_what_is(bus: MemoryBus, stack: AsyncExitStack, concurrency: int) -> None:
    recorder = Recorder(lambda _: Done())
    linger = Linger(60, urgent=lambda message: message == question("urgent"))
    await start(bus, stack, recorder, linger=linger, concurrency=concurrency)
    await bus.publish([question("first")])
    await expect_depth(bus, IMAGE_QUERIES, unsettled=1)  # it is in hand, and no handler has it
    await bus.publish([question("second"), question("urgent")])
    await recorder.wait_for(3)
    assert [[work.event.id for work in batch] for batch in recorder.batches] == [["first", "second", "urgent"]]


async def test_of_a_batch_that_waits_the_first_messages_are_told(bus: MemoryBus, stack: AsyncExitStack) -> None:
    recorder = Recorder(lambda _: Done())
    told: list[Sequence[Message]] = []
    linger = Linger(60, urgent=lambda message: message == question("urgent"), meanwhile=told.append)
    await bus.publish([question("urgent")])
    await start(bus, stack, recorder, linger=linger)
    await recorder.wait_for(1)
    assert not told
    await bus.publish([question("first")])
    await expect_depth(bus, IMAGE_QUERIES, unsettled=1)
    await bus.publish([question("second")])
    await expect_depth(bus, IMAGE_QUERIES, unsettled=2)
    await bus.publish([question("urgent")])
    await recorder.wait_for(4)
    assert told == [[question("first")]]


async def test_what_is_not_urgent_waits_until_the_batch_is_full_or_the_time_over(
    bus: MemoryBus, stack: AsyncExitStack
) -> None:
    recorder = Recorder(lambda _: Done())
    await start(bus, stack, recorder, batch=2, linger=Linger(60, urgent=lambda _: False))
    await bus.publish([question("1"), question("2")])
    await recorder.wait_for(2)
    patient = Recorder(lambda _: Done())
    async with MemoryBus() as other:
        await start(other, stack, patient, linger=Linger(0.01, urgent=lambda _: False))
        await other.publish([question()])
        await patient.wait_for(1)


async def test_no_more_are_taken_than_is_asked_for_at_the_moment(bus: MemoryBus, stack: AsyncExitStack) -> None:
    recorder = Recorder(lambda _: Done())
    sizes = iter([1, 2, 5])
    await bus.publish([question(str(number)) for number in range(6)])
    consumer = Consumer(bus, Metrics(), IMAGE_QUERIES, recorder, batch=3, size=lambda: next(sizes, 1))
    await consumer.start(stack, drain_s=5)
    await recorder.wait_for(6)
    assert [len(batch) for batch in recorder.batches] == [1, 2, 3]


async def test_leaving_handles_what_lingers(bus: MemoryBus) -> None:
    recorder = Recorder(lambda _: Done())
    async with AsyncExitStack() as stack:
        await start(bus, stack, recorder, drain_s=30, linger=Linger(60, urgent=lambda _: False))
        await bus.publish([question()])
        await expect_depth(bus, IMAGE_QUERIES, unsettled=1)
    assert len(recorder.batches) == 1
    await expect_depth(bus, IMAGE_QUERIES)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"null"])
async def test_undecodable_bytes_die_and_their_neighbours_live(
    bus: MemoryBus, stack: AsyncExitStack, body: bytes
) -> None:
    recorder = Recorder(lambda _: Done())
    dead = await bus.subscribe(DEAD)
    await bus.publish([message(body=body, headers={"cloudEvents_subject": "x"}), question()])
    await start(bus, stack, recorder)
    [letter] = await take(dead, 1)
    assert letter.message.body == body
    await recorder.wait_for(1)
    assert [work.event.id for batch in recorder.batches for work in batch] == ["e1"]


async def test_an_unknown_version_is_parked_and_comes_back_once_known(bus: MemoryBus) -> None:
    newer = message(version=9)
    async with AsyncExitStack() as stack:
        recorder = Recorder(lambda _: Done())
        await start(bus, stack, recorder)
        await bus.publish([newer])
        await expect_depth(bus, IMAGE_QUERIES, parked=1)
    assert recorder.batches == []

    async with AsyncExitStack() as stack:
        upgraded = Recorder(lambda _: Done())
        known = event_of(QUESTION, source="test", tenant="acme", at=AT, event_id="from the future")
        consumer = Consumer(bus, Metrics(), IMAGE_QUERIES, upgraded, batch=8, decoder=lambda _: known)
        await consumer.start(stack, drain_s=5)
        await upgraded.wait_for(1)
        await expect_depth(bus, IMAGE_QUERIES)


async def test_leaving_finishes_what_is_in_hand_and_takes_nothing_new(bus: MemoryBus) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(batch: Sequence[Work]) -> Sequence[Outcome]:
        begun.set()
        await finish.wait()
        return [Done()] * len(batch)

    stack = AsyncExitStack()
    await start(bus, stack, slow, batch=1)
    await bus.publish([question("first"), question("second")])
    async with asyncio.timeout(10):
        await begun.wait()
        leaving = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0)
        finish.set()
        await leaving
    await expect_depth(bus, IMAGE_QUERIES, ready=1)
    rest = await bus.subscribe(IMAGE_QUERIES)
    [left] = await take(rest, 1)
    assert decode(left.message).id == "second"


async def test_a_drain_that_takes_too_long_is_cut_and_the_message_comes_again(bus: MemoryBus) -> None:
    begun = asyncio.Event()

    async def stuck(_: Sequence[Work]) -> Sequence[Outcome]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    stack = AsyncExitStack()
    await start(bus, stack, stuck, drain_s=0.05)
    await bus.publish([question()])
    async with asyncio.timeout(10):
        await begun.wait()
        await stack.aclose()
    [again] = await take(await bus.subscribe(IMAGE_QUERIES), 1)
    assert again.attempt == 2


async def test_a_broadcast_is_consumed_too(bus: MemoryBus, stack: AsyncExitStack) -> None:
    recorder = Recorder(lambda _: Done())
    await Consumer(bus, Metrics(), WAKE_UPS, recorder, batch=8).start(stack, drain_s=1)
    await bus.publish([encode(event_of(STORED, source="test", tenant="acme", at=AT))])
    await recorder.wait_for(1)


async def test_check_says_when_the_loop_has_stopped(bus: MemoryBus, stack: AsyncExitStack) -> None:
    consumer = await start(bus, stack, Recorder(lambda _: Done()))
    await consumer.check()
    await stack.aclose()
    with pytest.raises(Unavailable, match="has stopped"):
        await consumer.check()
