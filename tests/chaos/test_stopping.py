"""SIGTERM at a bad moment: services end in good order in time, and what was accepted is answered later."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from infra.drill.doors import Doors
from infra.drill.installation import on_given_servers
from infra.drill.services import HOUSE
from infra.drill.task import image, label_of
from tests.support.servers import AmqpServer

_GRACE_S = 45.0
"""The drain of the defaults, 20 s, and the time in which a broker that does not answer is given up."""
_QUESTIONS = 20

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]

Moment = Callable[[AmqpServer], AbstractContextManager[None]]


@contextmanager
def frozen(server: AmqpServer) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


@contextmanager
def away(server: AmqpServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def alarmed(server: AmqpServer) -> Iterator[None]:
    server.ctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        yield
    finally:
        server.ctl("set_vm_memory_high_watermark", "0.4")


@pytest.mark.parametrize("moment", [frozen, away, alarmed], ids=["broker frozen", "broker away", "memory alarm"])
async def test_services_end_in_time_while_the_broker_is_in_trouble(
    moment: Moment, amqp: AmqpServer, amqp_url: str, mongodb_url: str, tmp_path: Path
) -> None:
    async with (
        on_given_servers(tmp_path, tenant="stopping", bus=amqp_url, store=mongodb_url) as installation,
        Doors(installation) as doors,
    ):
        await doors.prepare()
        asked = [await _ask(doors, number) for number in range(_QUESTIONS)]
        with moment(amqp):
            began = time.monotonic()
            for service in installation.supervisor.services:
                service.send(signal.SIGTERM)  # and once more with the rest, as impatient people do
            statuses = await installation.supervisor.stop()
            assert time.monotonic() - began < _GRACE_S
        assert statuses == dict.fromkeys(HOUSE, 0)
        installation.supervisor.start()
        await installation.supervisor.ready()
        for number, query_id in enumerate(asked):
            query = (await doors.look_up(query_id, wait_s=20)).query
            assert query is not None
            assert (query.state, query.label) == ("answered", label_of(number))


async def _ask(doors: Doors, number: int) -> str:
    query = (await doors.ask(number, image(number)[0])).query
    assert query is not None
    return query.id
