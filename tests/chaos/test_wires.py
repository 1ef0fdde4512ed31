"""Bad wires between the services and their broker and store: packets lost, late, overtaken, few, or silent one way."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from infra.local.mongodb import MongoDB
from infra.local.rabbitmq import RabbitMQ
from tests.support.network import Network, network
from tests.support.servers import AMQP_CONFIG, session_folder
from tests.support.under_load import connections_lost, installed, tried

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]

_WORSE_S = 40.0
_SILENT_S = 60.0
"""Longer than it takes to give a peer up that says nothing: three heartbeats and a bit."""


@dataclass(frozen=True, slots=True)
class Servers:
    """A broker and a store, each at the other end of wires."""

    wires: Network
    broker: RabbitMQ
    store: MongoDB


@pytest.fixture
def servers() -> Iterator[Servers]:
    with network(2) as wires:
        folders = session_folder("rabbitmq"), session_folder("mongodb")
        with (
            closing(RabbitMQ(folders[0], config=AMQP_CONFIG, place=wires.places[0])) as broker,
            closing(MongoDB(folders[1], place=wires.places[1])) as store,
        ):
            broker.start()
            store.start()
            yield Servers(wires, broker, store)


@pytest.mark.parametrize(
    "worsen",
    [
        partial(Network.set, loss=0.1),
        partial(Network.set, delay_s=0.1, jitter_s=0.05),  # each way
        partial(Network.set, bytes_per_s=64_000),
    ],
    ids=["a tenth is lost", "200 ms and out of order", "64 kB a second"],
)
async def test_bad_wires_make_it_slow_and_nothing_else(
    servers: Servers, worsen: Callable[[Network], None], tmp_path: Path
) -> None:
    async def fault() -> None:
        worsen(servers.wires)
        await asyncio.sleep(_WORSE_S)
        servers.wires.heal()

    bus, store = servers.broker.vhost("wires"), servers.store.database("wires")
    async with installed(tmp_path, bus=bus, store=store) as installation:
        result = await tried(installation, tmp_path, fault, rate=5)
        lost = connections_lost(installation)
    assert result.during["202"] > 10
    assert lost == []  # no peer was taken for dead
    result.expect_nothing_lost(least=20)


@pytest.mark.parametrize("way", ["from the broker", "to the broker", "both ways, and the store"])
async def test_silent_wires_are_noticed_and_cost_nothing(servers: Servers, way: str, tmp_path: Path) -> None:
    wires, broker = servers.wires, servers.wires.places[0].address

    async def fault() -> None:
        if way != "to the broker":
            wires.set([broker], [wires.us], loss=1.0)
        if way != "from the broker":
            wires.set([wires.us], [broker], loss=1.0)
        if way == "both ways, and the store":
            wires.cut([wires.us], [servers.wires.places[1].address])
        await asyncio.sleep(_SILENT_S)
        wires.heal()

    bus, store = servers.broker.vhost("wires"), servers.store.database("wires")
    async with installed(tmp_path, bus=bus, store=store) as installation:
        result = await tried(installation, tmp_path, fault)
        lost = connections_lost(installation)
    assert result.during["503"] > 0
    assert lost != []
    result.expect_nothing_lost(least=20)
