"""Hearing: only while somebody needs it, and nobody who needs it misses anything."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from contracts.ids import new_id
from contracts.topics import WAKE_UPS
from contracts.v1.results import ResultsStored, StoredResult
from services.kit.bus.codec import encode, event_of
from services.kit.bus.consume import Consumer
from services.kit.bus.memory import MemoryBus
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.errors import Unavailable
from services.kit.hearing import Hearing
from services.kit.metrics import Metrics
from tests.support.until import until

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Listener:
    """Notes what it hears and how often it had to look."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.heard: list[str] = []
        self.looked = 0
        self.hearing = Hearing(self._consumer, self._look, unused_s=0.05)

    def _consumer(self) -> Consumer:
        return Consumer(self.bus, Metrics(), WAKE_UPS, self._hear)

    async def _hear(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        for work in batch:
            assert isinstance(work.event.payload, ResultsStored)
            self.heard += [result.query_id for result in work.event.payload.results]
        return [Done()] * len(batch)

    async def _look(self) -> None:
        self.looked += 1

    async def say(self) -> str:
        query_id = new_id("iq", NOW)
        result = StoredResult(query_id=query_id, revision=1, state="answered", has_answer=True, confident=True)
        stored = ResultsStored(results=(result,))
        await self.bus.publish([encode(event_of(stored, source="test", tenant="acme", at=NOW))])
        return query_id


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with MemoryBus() as bus, AsyncExitStack() as stack:
        made = Listener(bus)
        await made.hearing.start(stack)
        yield made


async def test_it_hears_while_needed_however_long(listener: Listener) -> None:
    listener.hearing.need()
    listener.hearing.need()
    listener.hearing.release()
    said = [await listener.say() for _ in range(3)]
    await until(lambda: listener.heard == said)
    assert listener.hearing.active
    await listener.hearing.check()


async def test_it_does_not_hear_what_nobody_needs(listener: Listener) -> None:
    await until(lambda: not listener.hearing.active)
    await listener.say()
    listener.hearing.need()
    await until(lambda: listener.hearing.active)
    said = await listener.say()
    await until(lambda: bool(listener.heard))
    assert listener.heard == [said]


async def test_whoever_needs_it_again_looks_for_what_was_missed(listener: Listener) -> None:
    await until(lambda: not listener.hearing.active)
    looked = listener.looked
    listener.hearing.need()
    await until(lambda: listener.looked == looked + 1)
    assert listener.hearing.active, "what is said after the look is heard"


async def test_it_is_not_ready_while_it_is_needed_and_the_bus_is_away(listener: Listener) -> None:
    await until(lambda: not listener.hearing.active)
    await listener.bus.__aexit__(None, None, None)
    await listener.hearing.check()
    listener.hearing.need()

    async def not_ready() -> bool:
        try:
            await listener.hearing.check()
        except Unavailable:
            return True
        return False

    await until(not_ready)


@pytest.mark.parametrize("needed", [False, True])
async def test_leaving_ends_it_at_any_moment(*, needed: bool) -> None:
    async with MemoryBus() as bus:
        listener = Listener(bus)
        async with AsyncExitStack() as stack:
            await listener.hearing.start(stack)
            if needed:
                await until(lambda: not listener.hearing.active)
                listener.hearing.need()
                await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await listener.hearing.check()
