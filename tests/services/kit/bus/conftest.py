"""The bus fixtures: every test that asks for one runs once per adapter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.kit.bus.port import Bus
from tests.support.buses import ADAPTERS, Adapter, Connect


def _name(adapter: Adapter) -> str:
    return adapter.name


@pytest.fixture(params=ADAPTERS, ids=_name)
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    """Makes a bus on an empty place."""
    async with request.param.place(tmp_path) as connect:
        yield connect


@pytest.fixture
async def bus(connect: Connect) -> AsyncIterator[Bus]:
    """A connected bus on an empty place."""
    async with connect() as bus:
        yield bus


@pytest.fixture(params=[adapter for adapter in ADAPTERS if adapter.persists], ids=_name)
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    """Makes a bus on one and the same place, again and again; only for adapters that persist."""
    async with request.param.place(tmp_path) as connect:
        yield connect
