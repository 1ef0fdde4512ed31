"""The bus adapters under test, and what tests of a bus do again and again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.topics import Queue
from services.kit.bus.memory import MemoryBus
from services.kit.bus.port import Bus, Delivery, Depth, Subscription
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.bus.sqlite import SqliteBus
from services.kit.errors import Unavailable
from tests.support.servers import amqp_server

Connect = Callable[[], Bus]
"""Makes a bus that is not entered yet; each call leads to the same messages where the adapter persists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter: `place` gives a test an empty place of its own."""

    name: str
    persists: bool
    place: Callable[[Path], AbstractAsyncContextManager[Connect]]


@asynccontextmanager
async def _memory(folder: Path) -> AsyncIterator[Connect]:
    yield MemoryBus


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Connect]:
    yield lambda: SqliteBus(folder / "bus.sqlite")


@asynccontextmanager
async def _rabbit(folder: Path) -> AsyncIterator[Connect]:
    server = amqp_server()
    url = server.vhost("bus")
    try:
        yield lambda: RabbitBus(url)
    finally:
        server.remove_vhost(url)


ADAPTERS = (
    Adapter(name="memory", persists=False, place=_memory),
    Adapter(name="sqlite", persists=True, place=_sqlite),
    Adapter(name="rabbit", persists=True, place=_rabbit),
)


async def take(subscription: Subscription, count: int, *, timeout_s: float = 20.0) -> list[Delivery]:
    """Receive exactly `count` deliveries; a bus may hand them out in several portions."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(timeout_s):
        while len(deliveries) < count:
            portion = await subscription.receive(count - len(deliveries))
            assert portion, "the subscription was closed"
            deliveries += portion
    return deliveries


async def drain(subscription: Subscription, seen: list[bytes], enough: int, *, limit: int = 7) -> None:
    """Receive and acknowledge into `seen`, which several drains may share, until it holds `enough` bodies.

    The one that completes it closes nothing: the others are woken by closing their subscriptions.
    """
    while len(seen) < enough:
        deliveries = await subscription.receive(limit)
        if not deliveries:
            return
        await subscription.ack(deliveries)
        seen.extend(bodies(deliveries))


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    """Return the bodies, in order."""
    return [delivery.message.body for delivery in deliveries]


async def expect_depth(
    bus: Bus, queue: Queue, *, lane: str = "default", ready: int = 0, unsettled: int = 0, parked: int = 0
) -> None:
    """Wait until the depth is this one: a broker's own counters may lag behind what it did."""
    expected = Depth(ready=ready, unsettled=unsettled, parked=parked)
    depth = await bus.depth(queue, lane=lane)
    try:
        async with asyncio.timeout(15):
            while depth != expected:
                await asyncio.sleep(0.05)
                depth = await bus.depth(queue, lane=lane)
    except TimeoutError:
        raise AssertionError(f"{queue.name} has {depth}, expected {expected}") from None


async def healthy(bus: Bus) -> bool:
    """Whether the bus finds nothing amiss."""
    try:
        await bus.check()
    except Unavailable:
        return False
    return True
