"""A worker holds a delivery for longer than the broker allows: it is told, and everything is answered once."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing

import pytest

from contracts.examples import EXAMPLES
from contracts.topics import DEAD, IMAGE_QUERIES
from contracts.v1.image_query import ImageQuerySubmitted
from infra.local.rabbitmq import RabbitMQ
from services.kit.bus.codec import encode, event_of
from services.kit.bus.consume import Consumer
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.bus.port import Message
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.metrics import Metrics
from tests.support.buses import expect_depth
from tests.support.servers import session_folder
from tests.support.until import until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(180)]

_LIMITS_MS = "-rabbit consumer_timeout 4000 -rabbit channel_tick_interval 1000"
"""Half an hour and a minute, unless an operator says otherwise."""
QUESTION = next(e for e in EXAMPLES if isinstance(e, ImageQuerySubmitted))


def question(event_id: str) -> Message:
    return encode(event_of(QUESTION, source="test", tenant="acme", at=QUESTION.submitted_at, event_id=event_id))


@pytest.fixture
def broker() -> Iterator[RabbitMQ]:
    limits = {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _LIMITS_MS}
    with closing(RabbitMQ(session_folder("rabbitmq"), environment=limits)) as node:
        node.start()
        yield node


async def test_what_is_held_too_long_comes_again_with_its_neighbours_and_is_done_once(broker: RabbitMQ) -> None:
    begun, done = Counter[str](), Counter[str]()
    taken_away = asyncio.Event()
    url = broker.vhost("held")

    async def handle(batch: Sequence[Work]) -> Sequence[Outcome]:
        for work in batch:
            begun[work.event.id] += 1
            if work.event.id == "long" and begun["long"] == 1:
                await taken_away.wait()
        done.update(work.event.id for work in batch)
        return [Done()] * len(batch)

    async with RabbitBus(url) as direct, RabbitBus(url) as bus, AsyncExitStack() as stack:
        await direct.publish([question(name) for name in ("long", "next", "last")])
        await expect_depth(direct, IMAGE_QUERIES, ready=3)
        consumer = Consumer(bus, Metrics(), IMAGE_QUERIES, handle, batch=1, concurrency=2)
        await consumer.start(stack, drain_s=5)
        await until(lambda: begun["long"] == 2, timeout_s=60)
        taken_away.set()  # the first one ends after the second has begun
        await until(lambda: {"long", "next", "last"} <= done.keys())
        await expect_depth(direct, IMAGE_QUERIES)
        await expect_depth(direct, DEAD)
        await bus.check()
