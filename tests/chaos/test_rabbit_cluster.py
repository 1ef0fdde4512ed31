"""Three nodes of RabbitMQ: the one that leads the queues is killed, or cut from the others or from everybody."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.topics import IMAGE_QUERIES
from infra.local import processes
from infra.local.rabbitmq import RabbitMQ
from tests.support.clusters import RabbitCluster, rabbit_cluster
from tests.support.network import Network, network
from tests.support.under_load import installed, tried
from tests.support.until import until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(600)]

_CUT_S = 45.0
"""Longer than it takes nodes to give each other up, and clients a node that says nothing."""
_WHOLE_S = 180.0
"""A paused node first waits for clients that it cannot reach any more, and starts again after that."""
_LEAST_ACCEPTED = 100


@pytest.fixture
def wires() -> Iterator[Network]:
    with network(3, mtu=9000) as made:
        yield made


@pytest.fixture
def cluster(wires: Network) -> Iterator[RabbitCluster]:
    with rabbit_cluster(wires.places) as running:
        yield running


async def test_the_leader_is_killed(cluster: RabbitCluster, mongodb_url: str, tmp_path: Path) -> None:
    url = cluster.vhost("leader")

    async def fault() -> None:
        leader = await asyncio.to_thread(cluster.leader, url, IMAGE_QUERIES.queue_name())
        await asyncio.to_thread(leader.kill)
        await asyncio.sleep(10)
        await asyncio.to_thread(leader.start)
        await asyncio.sleep(5)

    async with installed(tmp_path, bus=url, store=mongodb_url) as installation:
        result = await tried(installation, tmp_path, fault)
    result.expect_nothing_lost(least=_LEAST_ACCEPTED)


@pytest.mark.parametrize("from_everybody", [False, True], ids=["from the others", "from everybody"])
async def test_the_leader_is_cut_off(
    cluster: RabbitCluster, wires: Network, mongodb_url: str, tmp_path: Path, *, from_everybody: bool
) -> None:
    url = cluster.vhost("cut")

    async def fault() -> None:
        leader = await asyncio.to_thread(cluster.leader, url, IMAGE_QUERIES.queue_name())
        place = wires.places[cluster.nodes.index(leader)]
        others = [each.address for each in wires.places if each != place]
        wires.cut([place.address], [*others, wires.us] if from_everybody else others)
        await asyncio.sleep(_CUT_S)
        wires.heal()
        for node in cluster.nodes:
            await _whole(node)

    async with installed(tmp_path, bus=url, store=mongodb_url) as installation:
        result = await tried(installation, tmp_path, fault)
    assert result.during["202"] > 50  # the majority went on
    result.expect_nothing_lost(least=_LEAST_ACCEPTED)


async def _whole(node: RabbitMQ) -> None:
    """Return when a node serves again."""
    try:
        await until(lambda: asyncio.to_thread(node.management.ready), timeout_s=_WHOLE_S)
    except TimeoutError:
        raise AssertionError(f"{node.node} does not come back:\n{processes.tail([node.log])}") from None
