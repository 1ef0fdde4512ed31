"""What the tests of the result store share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.kit.bus.memory import MemoryBus
from services.kit.catalog import Catalog
from services.kit.health import Health
from services.kit.metrics import Metrics
from services.kit.platform import Platform
from services.kit.settings import load
from services.kit.store.sqlite import SqliteStore
from services.kit.waiter import Waiter
from services.result_store.service import create
from tests.support.result_store import House, SetClock


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = SetClock()
    settings = load({}, data=tmp_path, sweep_interval_s=3600, sweep_after_s=60, sweep_tries=2)
    async with MemoryBus() as bus, SqliteStore(tmp_path / "store.sqlite", clock) as store, AsyncExitStack() as stack:
        metrics = Metrics()
        platform = Platform(
            settings=settings,
            bus=bus,
            store=store,
            clock=clock,
            metrics=metrics,
            health=Health(),
            waiter=Waiter(bus, store, metrics, max_waiters=10),
            catalog=Catalog(bus, store, metrics),
        )
        service = create(platform)
        await service.start(stack)
        yield House(platform, service, clock)
