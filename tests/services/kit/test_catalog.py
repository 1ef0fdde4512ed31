"""The catalog: what changed is forgotten at once, also while it is being read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.ids import new_id
from contracts.v1.control import DetectorChanged
from services.kit.bus.codec import encode, event_of
from services.kit.bus.memory import MemoryBus
from services.kit.catalog import Catalog
from services.kit.metrics import Metrics
from services.kit.store.port import Cursor, Page, Records
from services.kit.store.records import DetectorRecord
from services.kit.store.sqlite import SqliteStore
from tests.support.counting_store import CountingStore

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class SlowRecords:
    """Detectors by delegation, whose readers get what was read only when the test lets them go on."""

    def __init__(self, inner: Records[DetectorRecord]) -> None:
        self._inner = inner
        self.reads = 0
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def get(self, tenant: str, record_id: str) -> DetectorRecord | None:
        """Read, then wait."""
        record = await self._inner.get(tenant, record_id)
        self.reads += 1
        self.has_read.set()
        await self.go_on.wait()
        return record

    async def insert(self, record: DetectorRecord) -> None:
        """Delegate."""
        await self._inner.insert(record)

    async def replace(self, record: DetectorRecord) -> None:
        """Delegate."""
        await self._inner.replace(record)

    async def by_name(self, tenant: str, name: str) -> DetectorRecord | None:
        """Delegate."""
        return await self._inner.by_name(tenant, name)

    async def find(self, record_id: str) -> DetectorRecord | None:
        """Delegate."""
        return await self._inner.find(record_id)

    async def page(self, tenant: str, cursor: Cursor | None, limit: int) -> Page[DetectorRecord]:
        """Delegate."""
        return await self._inner.page(tenant, cursor, limit)


class House:
    """A catalog over a slow store, and one detector."""

    def __init__(self, bus: MemoryBus, store: SqliteStore) -> None:
        counting = CountingStore(store)
        self.detectors = counting.detectors = SlowRecords(store.detectors)
        self.bus = bus
        self.catalog = Catalog(bus, counting, Metrics())
        self.first = DetectorRecord(
            tenant="acme", id=new_id("det", NOW), name="door", query="Is it open?", created_at=NOW, updated_at=NOW
        )

    async def known(self) -> DetectorRecord | None:
        return await self.catalog.detector("acme", self.first.id)

    async def change(self) -> DetectorRecord:
        """Write the next revision; return it when the catalog has heard of it."""
        heard = asyncio.Event()
        self.catalog.on_change(lambda _tenant, _id: heard.set())
        second = self.first.model_copy(update={"revision": 2, "query": "Is it shut?"})
        await self.detectors.replace(second)
        changed = DetectorChanged(detector_id=second.id, revision=2)
        await self.bus.publish([encode(event_of(changed, source="test", tenant="acme", at=NOW))])
        async with asyncio.timeout(10):
            await heard.wait()
        return second


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with MemoryBus() as bus, SqliteStore(tmp_path / "store.sqlite") as store, AsyncExitStack() as stack:
        made = House(bus, store)
        await made.detectors.insert(made.first)
        await made.catalog.start(stack)
        yield made


async def test_what_was_read_is_remembered_until_it_changes(house: House) -> None:
    assert [await house.known() for _ in range(3)] == [house.first] * 3
    assert house.detectors.reads == 1
    second = await house.change()
    assert await house.known() == second


async def test_a_change_during_the_read_is_not_forgotten(house: House) -> None:
    house.detectors.go_on.clear()
    reading = asyncio.create_task(house.known())
    await house.detectors.has_read.wait()
    second = await house.change()
    house.detectors.go_on.set()
    assert await reading == house.first  # it asked before the change
    assert await house.known() == second
