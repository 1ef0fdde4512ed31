"""One service alone is cut off from its server, long enough that both sides give each other up."""

import asyncio
from pathlib import Path

import pytest

from infra.drill.proxy import proxying
from tests.support.under_load import connections_lost, installed, tried

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]

_CUT_S = 45.0
_MONGODB_PORT = 27017
_NO_SWEEPS = {"SIGHTLINE_SWEEP_AFTER_S": "600"}
"""Else the sweeper asks again, and the other worker answers, before the broker gives up the one that is cut off."""


async def test_a_worker_that_is_cut_off_from_the_broker(amqp_url: str, mongodb_url: str, tmp_path: Path) -> None:
    async with proxying(amqp_url) as wire:
        own = {"inference-1": {"SIGHTLINE_BUS": wire.url(amqp_url)}, "result_store": _NO_SWEEPS}

        async def fault() -> None:
            wire.silence()
            await asyncio.sleep(_CUT_S)
            wire.speak()

        async with installed(tmp_path, bus=amqp_url, store=mongodb_url, own=own) as installation:
            result = await tried(installation, tmp_path, fault)
            assert set(connections_lost(installation)) == {"inference-1"}
    assert result.during["503"] == 0
    assert result.findings.counters.repeated > 0  # what it held went to the other
    result.expect_nothing_lost(least=300)


async def test_a_result_store_that_is_cut_off_from_mongodb(amqp_url: str, mongodb_url: str, tmp_path: Path) -> None:
    async with proxying(mongodb_url, _MONGODB_PORT) as wire:
        own = {"result_store": {"SIGHTLINE_STORE": wire.url(mongodb_url)}}

        async def fault() -> None:
            wire.silence()
            await asyncio.sleep(_CUT_S)
            wire.speak()

        async with installed(tmp_path, bus=amqp_url, store=mongodb_url, own=own) as installation:
            result = await tried(installation, tmp_path, fault)
    assert result.during["503"] == 0
    result.expect_nothing_lost(least=300)
