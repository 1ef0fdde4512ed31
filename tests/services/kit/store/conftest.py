from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.kit.store.port import Store
from tests.support.stores import PLACES, Connect, FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(params=sorted(PLACES))
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    async with PLACES[request.param](tmp_path) as connect:
        yield connect


@pytest.fixture
async def store(connect: Connect, clock: FixedClock) -> AsyncIterator[Store]:
    async with connect(clock) as store:
        yield store
