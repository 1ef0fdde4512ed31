"""The waiter: two reads at most, no wake-up lost, a lost one costs a second."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts.ids import new_id
from contracts.v1.results import ResultsStored, State
from services.kit.bus.codec import encode, event_of
from services.kit.bus.memory import MemoryBus
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.metrics import Metrics
from services.kit.store.documents import AnswerRecord, QueryDocument, QueryKey
from services.kit.store.port import Swap
from services.kit.store.sqlite import SqliteStore
from services.kit.waiter import Waiter, summary_of, wanted_for
from tests.support.until import until

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def document(query_id: str, *, state: State = "answered", confidence: float | None = 0.95) -> QueryDocument:
    answer = AnswerRecord(id="ans", source="model", label="YES", confidence=confidence or 0, at=NOW)
    return QueryDocument(
        id=query_id,
        tenant="acme",
        state=state,
        revision=1,
        answer=answer if confidence is not None else None,
        created_at=NOW,
        updated_at=NOW,
    )


def key() -> QueryKey:
    return QueryKey("acme", new_id("iq", NOW))


class House:
    """A bus, a store and a waiter over them."""

    def __init__(self, bus: MemoryBus, store: SqliteStore) -> None:
        self.bus = bus
        self.store = store
        self.metrics = Metrics()
        self.waiter = Waiter(bus, store, self.metrics, max_waiters=300)

    async def write(self, *documents: QueryDocument, expected: int = 0) -> None:
        assert not await self.store.queries.swap([Swap(each, expected) for each in documents])

    async def wake(self, documents: Sequence[QueryDocument], whole: str | None = None) -> None:
        results = (summary_of(each).model_copy(update={"document": whole}) for each in documents)
        stored = ResultsStored(results=tuple(results))
        await self.bus.publish([encode(event_of(stored, source="test", tenant="acme", at=NOW))])

    async def waiting(self, count: int) -> None:
        """Return once so many requests wait."""
        await until(lambda: self.metrics.registry.get_sample_value("sightline_waiters") == count)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with (
        MemoryBus() as bus,
        SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store,
        AsyncExitStack() as s,
    ):
        made = House(bus, store)
        await made.waiter.start(s)
        yield made


async def test_what_is_there_is_returned_at_once(house: House) -> None:
    wanted = key()
    await house.write(document(wanted.id))
    found = await house.waiter.wait(wanted, wanted_for("answer"), 30)
    assert found is not None
    assert found.state == "answered"


async def test_a_wake_up_ends_the_wait_with_what_is_stored(house: House) -> None:
    wanted = key()
    waiting = asyncio.create_task(house.waiter.wait(wanted, wanted_for("answer"), 30))
    await house.waiting(1)
    await house.write(document(wanted.id))
    await house.wake([document(wanted.id)])
    async with asyncio.timeout(10):
        found = await waiting
    assert found == document(wanted.id)
    await house.waiting(0)


async def test_a_wake_up_that_brings_the_document_needs_no_look(house: House) -> None:
    wanted = key()
    waiting = asyncio.create_task(house.waiter.wait(wanted, wanted_for("answer"), 30))
    await house.waiting(1)
    told = document(wanted.id)
    await house.wake([told], told.model_dump_json())
    async with asyncio.timeout(10):
        assert await waiting == told  # it is in no store


@pytest.mark.parametrize("whole", ["no JSON", "[]", "{}", '{"layout": 99}', document(key().id).model_dump_json()])
async def test_a_wake_up_with_a_document_that_is_no_use_makes_the_reader_look(house: House, whole: str) -> None:
    wanted = key()
    waiting = asyncio.create_task(house.waiter.wait(wanted, wanted_for("answer"), 30))
    await house.waiting(1)
    await house.write(document(wanted.id))
    await house.wake([document(wanted.id)], whole)
    async with asyncio.timeout(10):
        assert await waiting == document(wanted.id)


async def test_a_late_wake_up_does_not_bring_back_what_was_before(house: House) -> None:
    wanted = key()
    sure = document(wanted.id, confidence=1.0)
    unsure = document(wanted.id, confidence=0.2).model_copy(update={"revision": 2})
    await house.write(unsure)
    waiting = asyncio.create_task(house.waiter.wait(wanted, wanted_for("confident"), 30))
    await house.waiting(1)
    await house.wake([sure], sure.model_dump_json())
    again = sure.model_copy(update={"revision": 3})
    await house.write(again, expected=2)
    await house.wake([again], again.model_dump_json())
    async with asyncio.timeout(10):
        assert await waiting == again


async def test_a_lost_wake_up_costs_a_second_not_the_wait(house: House) -> None:
    wanted = key()
    waiting = asyncio.create_task(house.waiter.wait(wanted, wanted_for("answer"), 30))
    await house.waiting(1)
    await house.write(document(wanted.id))
    async with asyncio.timeout(10):
        assert await waiting == document(wanted.id)


async def test_a_document_that_cannot_be_read_does_not_end_the_looking(house: House, tmp_path: Path) -> None:
    newer, wanted = key(), key()
    pending = document(newer.id, state="submitted", confidence=None)
    await house.write(pending)
    waits = [asyncio.create_task(house.waiter.wait(each, wanted_for("answer"), 30)) for each in (newer, wanted)]
    await house.waiting(2)
    with capture_logs() as logs:
        set_layout(tmp_path, newer, layout=99)  # as a newer version leaves it while both are running
        await until(lambda: any(line["event"] == "waiter.recheck_failed" for line in logs))
    set_layout(tmp_path, newer, layout=1)
    await house.write(document(wanted.id))
    async with asyncio.timeout(10):
        assert await waits[1] == document(wanted.id)
    house.waiter.release()
    assert await waits[0] == pending


def set_layout(folder: Path, changed: QueryKey, *, layout: int) -> None:
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection, connection:
        connection.execute(
            "UPDATE queries SET document = json_set(document, '$.layout', ?) WHERE id = ?", (layout, changed.id)
        )


async def test_nobody_is_asked_about_a_query_that_appears_soon(house: House) -> None:
    wanted = key()
    asked: list[QueryKey] = []

    async def absent() -> float:
        asked.append(wanted)
        return 0.0

    waiting = asyncio.create_task(house.waiter.wait(wanted, wanted_for("answer"), 30, absent=absent, asked_after_s=20))
    await house.waiting(1)
    pending = document(wanted.id, state="submitted", confidence=None)
    await house.write(pending)
    await house.wake([pending])
    answered = document(wanted.id).model_copy(update={"revision": 2})
    await house.write(answered, expected=1)
    await house.wake([answered])
    async with asyncio.timeout(10):
        assert await waiting == answered
    assert not asked


async def test_a_query_that_does_not_appear_soon_is_asked_about(house: House) -> None:
    async def absent() -> float:
        return 0.0

    async with asyncio.timeout(10):
        found = await house.waiter.wait(key(), wanted_for("answer"), 30, absent=absent, asked_after_s=0.01)
    assert found is None


async def test_two_hundred_wait_at_once(house: House) -> None:
    keys = [key() for _ in range(200)]
    waits = [asyncio.create_task(house.waiter.wait(each, wanted_for("answer"), 30)) for each in keys]
    await house.waiting(200)
    documents = [document(each.id) for each in keys]
    await house.write(*documents)
    await house.wake(documents)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waits) == documents


async def test_the_time_ends_a_wait_with_what_is_known(house: House) -> None:
    wanted = key()
    assert await house.waiter.wait(wanted, wanted_for("answer"), 0.01) is None
    pending = document(wanted.id, state="submitted", confidence=None)
    await house.write(pending)
    assert await house.waiter.wait(wanted, wanted_for("answer"), 0.01) == pending
    assert await house.waiter.wait(wanted, wanted_for("answer"), 0) == pending


async def test_confident_waits_on_beyond_an_unsure_answer(house: House) -> None:
    wanted = key()
    unsure = document(wanted.id, confidence=0.5)  # no request: nothing is confident but a person
    await house.write(unsure)
    waiting = asyncio.create_task(house.waiter.wait(wanted, wanted_for("confident"), 30))
    await house.waiting(1)
    answer = AnswerRecord(id="lbl", source="person", label="NO", confidence=1.0, at=NOW)
    labelled = unsure.model_copy(update={"answer": answer, "revision": 2})
    await house.write(labelled, expected=1)
    await house.wake([labelled])
    async with asyncio.timeout(10):
        assert await waiting == labelled


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
async def test_an_end_without_an_answer_ends_every_wait(house: House, state: State) -> None:
    wanted = key()
    await house.write(document(wanted.id, state=state, confidence=None))
    for wait_for in ("answer", "confident"):
        found = await house.waiter.wait(wanted, wanted_for(wait_for), 30)
        assert found is not None


async def test_another_tenants_result_is_nobody_elses(house: House) -> None:
    wanted = key()
    await house.write(document(wanted.id))
    assert await house.waiter.wait(QueryKey("other", wanted.id), wanted_for("answer"), 0.01) is None


async def test_too_many_waits_are_refused_and_a_cancelled_one_makes_room(house: House) -> None:
    waits = [asyncio.create_task(house.waiter.wait(key(), wanted_for("answer"), 30)) for _ in range(300)]
    await house.waiting(300)
    with pytest.raises(Unavailable, match="300 requests wait"):
        await house.waiter.wait(key(), wanted_for("answer"), 30)
    assert await house.waiter.wait(key(), wanted_for("answer"), 0) is None  # who only looks is never refused
    waits[0].cancel()
    await house.waiting(299)
    assert await house.waiter.wait(key(), wanted_for("answer"), 0.01) is None
    house.waiter.release()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waits[1:]) == [None] * 299
