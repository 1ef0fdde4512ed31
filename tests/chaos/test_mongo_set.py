"""Three members of MongoDB: the primary is killed, or cut from the others or from everybody for half a minute."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clusters import MongoSet, mongo_set
from tests.support.network import Network, network
from tests.support.under_load import installed, tried
from tests.support.until import until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]

_CUT_S = 30.0
_ELECTION_S = 60.0
_LEAST_ACCEPTED = 60


@pytest.fixture
def wires() -> Iterator[Network]:
    with network(3, mtu=9000) as made:
        yield made


@pytest.fixture
def members(wires: Network) -> Iterator[MongoSet]:
    with mongo_set(wires.places) as running:
        yield running


async def test_the_primary_is_killed(members: MongoSet, amqp_url: str, tmp_path: Path) -> None:
    async def fault() -> None:
        primary = members.primary()
        assert primary is not None
        await asyncio.to_thread(primary.kill)
        await until(lambda: members.primary() is not None, timeout_s=_ELECTION_S)
        await asyncio.sleep(10)
        await asyncio.to_thread(primary.launch)

    async with installed(tmp_path, bus=amqp_url, store=members.database("killed")) as installation:
        result = await tried(installation, tmp_path, fault)
    result.expect_nothing_lost(least=_LEAST_ACCEPTED)


@pytest.mark.parametrize("from_everybody", [False, True], ids=["from the others", "from everybody"])
async def test_the_primary_is_cut_off(
    members: MongoSet, wires: Network, amqp_url: str, tmp_path: Path, *, from_everybody: bool
) -> None:
    async def fault() -> None:
        primary = members.primary()
        assert primary is not None
        place = wires.places[members.members.index(primary)]
        others = [each for each in members.members if each is not primary]
        addresses = [each.address for each in wires.places if each != place]
        wires.cut([place.address], [*addresses, wires.us] if from_everybody else addresses)
        await asyncio.sleep(_CUT_S)
        assert await asyncio.to_thread(members.primary, others) is not None
        wires.heal()

    async with installed(tmp_path, bus=amqp_url, store=members.database("cut")) as installation:
        result = await tried(installation, tmp_path, fault)
    assert result.during["202"] > 20  # those who were left went on
    result.expect_nothing_lost(least=_LEAST_ACCEPTED)
