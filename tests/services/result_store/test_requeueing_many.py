"""Hundreds of dead questions published again, twice: each is answered once."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from contracts.ids import new_id
from contracts.topics import FACTS, IMAGE_QUERIES
from contracts.v1.dead_letter import DeadLetterRequeued
from contracts.v1.image_query import Image, ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from services.kit.bus.codec import encode, event_of
from services.kit.bus.consume import Consumer
from services.kit.bus.outcomes import Done, Outcome, Reject, Work
from services.kit.platform import Platform
from services.kit.runtime import running
from services.kit.settings import Settings, load
from services.kit.store.documents import QueryKey
from services.kit.store.port import LetterFilter
from services.result_store.service import create
from tests.support.servers import amqp_server, mongodb_server
from tests.support.until import until

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
TENANT = "acme"


def question() -> ImageQuerySubmitted:
    return ImageQuerySubmitted(
        query_id=new_id("iq", AT),
        detector_id=new_id("det", AT),
        image=Image(sha256="a" * 64, size_bytes=3, media_type="image/jpeg", data=b"abc"),
        submitted_at=AT,
    )


class Worker:
    """Gives every question up until it is mended, then answers every one, however often it comes."""

    def __init__(self) -> None:
        self.mended = False
        self.answered = 0

    async def handle(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        return [self._answer(work.event.payload) if self.mended else Reject("broken", "mend it") for work in batch]

    def _answer(self, asked: object) -> Outcome:
        assert isinstance(asked, ImageQuerySubmitted)
        self.answered += 1
        answer = ImageAnswer(
            query_id=asked.query_id,
            answer_id=f"ans_{asked.query_id[-27:]}",
            label="YES",
            confidence=0.9,
            model_name="door",
            model_digest="d" * 64,
            answered_at=AT,
            submitted_at=AT,
        )
        return Done([event_of(ImageQueryAnswered(answers=(answer,)), source="test", tenant=TENANT, at=AT)])


async def _letters(platform: Platform) -> list[str]:
    ids: list[str] = []
    cursor = None
    while True:
        page = await platform.store.dead_letters.page(LetterFilter(reason="broken", tenant=TENANT), cursor, 200)
        ids += [letter.id for letter in page.items]
        if page.next is None:
            return ids
        cursor = page.next


async def _requeue(platform: Platform, ids: Sequence[str]) -> None:
    facts = [DeadLetterRequeued(letter_id=letter_id, requeued_at=AT) for letter_id in ids]
    await platform.bus.publish([encode(event_of(fact, source="test", tenant=TENANT, at=AT)) for fact in facts])


async def _requeue_all_twice(settings: Settings, count: int) -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(settings, [create]))
        platform: Platform = app.state.platform
        worker = Worker()
        consumer = Consumer(
            platform.bus, platform.metrics, IMAGE_QUERIES, worker.handle, batch=16, most_failures=count + 1
        )
        await consumer.start(stack, drain_s=10)
        questions = [question() for _ in range(count)]
        events = [event_of(q, source="test", tenant=TENANT, at=AT, subject=q.query_id) for q in questions]
        await platform.bus.publish([encode(event) for event in events])

        async def dead() -> bool:
            return len(await _letters(platform)) == count

        await until(dead, timeout_s=60)
        worker.mended = True
        ids = await _letters(platform)
        await _requeue(platform, [*ids, *ids])
        await _requeue(platform, ids)
        keys = [QueryKey(TENANT, q.query_id) for q in questions]

        async def answered() -> bool:
            documents = await platform.store.queries.load(keys)
            return len(documents) == count and all(document.answer for document in documents.values())

        async def idle() -> bool:
            depths = [await platform.bus.depth(queue) for queue in (FACTS, IMAGE_QUERIES)]
            return all(depth.ready == depth.unsettled == 0 for depth in depths)

        await until(answered, timeout_s=60)
        await until(idle, timeout_s=60)
        assert await _letters(platform) == []
        for document in (await platform.store.queries.load(keys)).values():
            assert len(document.answers) == 1
            assert [step.state for step in document.history if step.state != "submitted"] == ["failed"]
        assert worker.answered == count


async def test_five_hundred_requeued_twice_are_answered_once_on_sqlite(tmp_path: Path) -> None:
    await _requeue_all_twice(load({}, data=tmp_path), 500)


async def test_forty_requeued_twice_are_answered_once_on_the_servers(tmp_path: Path) -> None:
    amqp, mongodb = amqp_server(), mongodb_server()
    bus, store = amqp.vhost("requeue"), mongodb.database("requeue")
    try:
        await _requeue_all_twice(load({}, data=tmp_path, bus=bus, store=store, token_pepper="x"), 40)
    finally:
        amqp.remove_vhost(bus)
        mongodb.remove_database(store)
