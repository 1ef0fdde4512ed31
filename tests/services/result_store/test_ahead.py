"""Images that are stored while their questions wait: each once, and none that nobody wants."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from contracts.ids import new_id
from contracts.v1.image_query import Image, ImageQuerySubmitted
from contracts.v1.query import QueryErased
from services.kit.bus.codec import encode, event_of
from services.kit.bus.port import Message
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.metrics import Metrics
from services.kit.store.documents import QueryKey
from services.kit.store.port import Swap
from services.kit.store.records import Blob
from services.kit.store.sqlite import SqliteStore
from services.result_store.facts import Fact
from services.result_store.writing import Writer
from tests.support.until import until

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DATA = b"one picture"
SHA = hashlib.sha256(DATA).hexdigest()


class Images:
    """The blobs of a store, with a count of what is put; the first `failures` puts find it away."""

    def __init__(self, store: SqliteStore, failures: int = 0) -> None:
        self._images = store.images
        self._failures = failures
        self.puts: list[Blob] = []
        self.get = store.images.get
        self.keep_until = store.images.keep_until
        self.delete = store.images.delete
        self.purge = store.images.purge

    async def put(self, blob: Blob) -> None:
        self.puts.append(blob)
        if len(self.puts) <= self._failures:
            raise Unavailable("away for a moment")
        await self._images.put(blob)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as opened:
        yield opened


def writer_on(store: SqliteStore, images: Images) -> Writer:
    store.images = images  # type: ignore[assignment]  # the port, counted
    return Writer(store, Metrics(), retention=timedelta(days=30))


def question(query_id: str, sha256: str = SHA) -> ImageQuerySubmitted:
    image = Image(sha256=sha256, size_bytes=len(DATA), media_type="image/jpeg", data=DATA)
    return ImageQuerySubmitted(query_id=query_id, detector_id=new_id("det", AT), image=image, submitted_at=AT)


def message(asked: ImageQuerySubmitted) -> Message:
    return encode(event_of(asked, source="test", tenant="acme", at=AT))


def fact(asked: ImageQuerySubmitted) -> Fact:
    return Fact(QueryKey("acme", asked.query_id), f"{asked.query_id}.asked", AT, asked)


async def there(store: SqliteStore) -> bool:
    return await store.images.get("acme", SHA) is not None


async def test_an_image_is_stored_before_its_question_and_only_once(store: SqliteStore) -> None:
    images = Images(store)
    writer = writer_on(store, images)
    asked = question(new_id("iq", AT))
    writer.ahead.begin([message(asked)])
    await until(lambda: there(store))
    (document,) = await writer.write([fact(asked)])
    (put,) = images.puts
    assert put.expires_at == document.expires_at


async def test_what_could_not_be_stored_ahead_is_stored_with_its_question(store: SqliteStore) -> None:
    images = Images(store, failures=1)
    writer = writer_on(store, images)
    asked = question(new_id("iq", AT))
    writer.ahead.begin([message(asked)])
    assert await writer.write([fact(asked)])
    assert len(images.puts) == 2
    assert await there(store)


async def test_a_question_that_is_erased_while_it_waits_leaves_no_image(store: SqliteStore) -> None:
    writer = writer_on(store, Images(store))
    asked = question(new_id("iq", AT))
    writer.ahead.begin([message(asked)])
    key = QueryKey("acme", asked.query_id)
    gone = Fact(key, f"{key.id}.erased", AT, QueryErased(query_id=key.id, erased_at=AT))
    await writer.write([fact(asked), gone])
    assert not await there(store)


async def test_erasing_another_query_leaves_the_image_of_a_question_that_waits(store: SqliteStore) -> None:
    writer = writer_on(store, Images(store))
    old, new = question(new_id("iq", AT)), question(new_id("iq", AT))
    await writer.write([fact(old)])
    writer.ahead.begin([message(new)])
    key = QueryKey("acme", old.query_id)
    await writer.write([Fact(key, f"{key.id}.erased", AT, QueryErased(query_id=key.id, erased_at=AT))])
    await writer.write([fact(new)])
    assert await there(store)


async def test_an_image_that_could_not_be_stored_ahead_keeps_nobody_from_removing_it(store: SqliteStore) -> None:
    images = Images(store, failures=1)
    writer = writer_on(store, images)
    erased = question(new_id("iq", AT))
    lost = question(new_id("iq", AT)).model_copy(update={"submitted_at": AT + timedelta(seconds=1)})
    writer.ahead.begin([message(lost)])  # and its connection is lost: another process has it
    await until(lambda: len(images.puts) == 1)
    await writer.write([fact(erased)])
    key = QueryKey("acme", erased.query_id)
    await writer.write([Fact(key, f"{key.id}.erased", AT, QueryErased(query_id=key.id, erased_at=AT))])
    assert not await there(store)


async def test_erasing_a_query_leaves_the_image_of_a_question_that_is_being_written(store: SqliteStore) -> None:
    writer = writer_on(store, Images(store))
    old, new = question(new_id("iq", AT)), question(new_id("iq", AT))
    await writer.write([fact(old)])
    swap, begun, go_on = store.queries.swap, asyncio.Event(), asyncio.Event()

    async def swap_slowly(swaps: Sequence[Swap]) -> frozenset[QueryKey]:
        if new.query_id in {each.document.id for each in swaps}:
            begun.set()
            await go_on.wait()
        return await swap(swaps)

    store.queries.swap = swap_slowly  # type: ignore[method-assign]
    writer.ahead.begin([message(new)])
    writing = asyncio.create_task(writer.write([fact(new)]))
    await begun.wait()
    key = QueryKey("acme", old.query_id)
    await writer.write([Fact(key, f"{key.id}.erased", AT, QueryErased(query_id=key.id, erased_at=AT))])
    go_on.set()
    await writing
    assert await there(store)


LAST = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))


@pytest.mark.parametrize("strange", [{"submitted_at": LAST}, {"retain_until": LAST}])
async def test_a_device_whose_clock_is_at_the_end_of_time_stops_nobody(
    store: SqliteStore, strange: dict[str, datetime]
) -> None:
    writer = writer_on(store, Images(store))
    asked = question(new_id("iq", AT)).model_copy(update=strange)
    writer.ahead.begin([message(asked)])
    (document,) = await writer.write([fact(asked)])
    image = await store.images.get("acme", SHA)
    assert image is not None
    assert image.expires_at == document.expires_at == datetime.max.replace(tzinfo=UTC)


async def test_nothing_is_stored_ahead_of_what_cannot_be_read_or_is_not_what_it_says(store: SqliteStore) -> None:
    images = Images(store)
    writer = writer_on(store, images)
    wrong = question(new_id("iq", AT), sha256=hashlib.sha256(b"something else").hexdigest())
    writer.ahead.begin([message(wrong), Message(exchange="in", routing_key="x", headers={}, content_type="", body=b"")])
    await writer.write([fact(wrong)])
    assert images.puts == []
