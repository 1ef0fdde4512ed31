"""Disks under RabbitMQ and MongoDB that are full: nothing that was acknowledged is missing once there is room again."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from infra.local.mongodb import MongoDB
from infra.local.rabbitmq import RabbitMQ
from tests.support.servers import AMQP_CONFIG, session_folder
from tests.support.small_disk import small_disk
from tests.support.under_load import installed, tried
from tests.support.until import until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]

_MIB = 1024 * 1024
_LIMIT = 50 * _MIB
_FAULT_S = 20.0
_LEAST_ACCEPTED = 30


async def test_a_broker_that_runs_short_of_disk_takes_nothing_until_there_is_room(
    mongodb_url: str, tmp_path: Path
) -> None:
    folder = session_folder("rabbitmq")
    config = {**AMQP_CONFIG, "disk_free_limit.absolute": str(_LIMIT)}
    with small_disk(folder, 300 * _MIB) as disk, closing(RabbitMQ(folder, config=config, place=disk.place)) as broker:
        broker.start()

        async def fault() -> None:
            await asyncio.to_thread(disk.fill, leaving_bytes=_LIMIT // 2)
            await asyncio.sleep(_FAULT_S)
            disk.free()

        async with installed(tmp_path, bus=broker.vhost("short"), store=mongodb_url) as installation:
            result = await tried(installation, tmp_path, fault)
        assert broker.runs
    assert result.during["503"] > 0
    result.expect_nothing_lost(least=_LEAST_ACCEPTED)


async def test_a_broker_whose_disk_is_full_has_everything_that_it_confirmed(mongodb_url: str, tmp_path: Path) -> None:
    folder = session_folder("rabbitmq")
    config = {**AMQP_CONFIG, "disk_free_limit.absolute": "1"}
    with small_disk(folder, 300 * _MIB) as disk, closing(RabbitMQ(folder, config=config, place=disk.place)) as broker:
        broker.start()

        async def fault() -> None:
            await asyncio.to_thread(disk.fill)
            await asyncio.sleep(_FAULT_S)
            disk.free()
            await asyncio.sleep(5)
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.start)

        async with installed(tmp_path, bus=broker.vhost("full"), store=mongodb_url) as installation:
            result = await tried(installation, tmp_path, fault)
    assert result.during["503"] > 0
    result.expect_nothing_lost(least=_LEAST_ACCEPTED)


async def test_a_store_whose_disk_is_full_has_everything_that_it_acknowledged(amqp_url: str, tmp_path: Path) -> None:
    folder = session_folder("mongodb")
    with small_disk(folder, 500 * _MIB) as disk, closing(MongoDB(folder, place=disk.place)) as store:
        store.start()

        async def fault() -> None:
            await asyncio.to_thread(disk.fill)
            # It would rather end than go on without its journal.
            await until(lambda: not store.runs, timeout_s=90)
            await asyncio.sleep(5)
            disk.free()
            await asyncio.to_thread(store.start)

        async with installed(tmp_path, bus=amqp_url, store=store.database("full")) as installation:
            result = await tried(installation, tmp_path, fault)
    assert result.during["503"] > 0
    result.expect_nothing_lost(least=_LEAST_ACCEPTED)
