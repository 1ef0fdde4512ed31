"""The Bus port on RabbitMQ."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from contracts.topics import Queue
from services.kit.bus.port import Depth, Message
from services.kit.bus.rabbit.address import parse_address
from services.kit.bus.rabbit.declaring import Topology, count_messages
from services.kit.bus.rabbit.letters import checked
from services.kit.bus.rabbit.link import Link
from services.kit.bus.rabbit.parking import unpark
from services.kit.bus.rabbit.publisher import Posting, Publisher, Unroutable
from services.kit.bus.rabbit.subscription import RabbitSubscription
from services.kit.bus.rabbit.topology import (
    EXCHANGES,
    QUEUE_LIMIT_BYTES,
    RETRY_STEPS_S,
    durable_queues,
    parking_name,
    retry_name,
)
from services.kit.bus.routing import Route, route_message
from services.kit.errors import ConfigError, Unavailable

log = structlog.get_logger(__name__)

_MOST_PREFETCH = 65_535


class RabbitBus:
    """A bus on a RabbitMQ, where it declares what is missing, if it may.

    `lanes` are those whose queues are made sure of at once; another lane's when it is first used.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        lanes: Sequence[str] = ("default",),
        queue_limit_bytes: int = QUEUE_LIMIT_BYTES,
    ) -> None:
        address = parse_address(url, ca_file)
        self._lanes = tuple(lanes)
        self._publishing = Link(address, "publish")
        self._consuming = Link(address, "consume")
        # Looked at over the connection that consumes: the other one may be blocked just when it matters.
        self._topology = Topology(self._consuming, queue_limit_bytes)
        self._publisher = Publisher(self._publishing, address.user)
        self._subscriptions: set[RabbitSubscription] = set()
        self._open = False

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for link in (self._consuming, self._publishing):
                await link.open()
                stack.push_async_callback(link.close)
            await self._topology.prepare(self._lanes)
            stack.pop_all()
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._publishing.close)
            stack.push_async_callback(self._consuming.close)
            stack.push_async_callback(self._publisher.close)
            await asyncio.gather(*(subscription.close() for subscription in self._subscriptions))

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is confirmed, by every durable queue that it was routed to.

        Whether that is every queue of its topic the broker cannot tell, if one of several bindings is gone.
        """
        routed = [(checked(message), route_message(message)) for message in messages]
        self._require_open()
        for message, route in routed:
            await self._ensure(message, route.queues)
        try:
            await self._publisher.send_all([_posting(message, route) for message, route in routed])
        except Unroutable as error:
            log.warning("bus.unroutable", reason=str(error))
            self._topology.doubt()  # and put it right before the next publish, where we may
            raise

    async def subscribe(self, queue: Queue, *, lane: str = "default", prefetch: int = 16) -> RabbitSubscription:
        """As the port; raises ConfigError where the queue is not as it should be and we may not change it."""
        self._require_open()
        if not 1 <= prefetch <= _MOST_PREFETCH:
            raise ValueError(f"a prefetch is a number from 1 to {_MOST_PREFETCH}, not {prefetch}")
        subscription = RabbitSubscription(
            queue=queue,
            lane=lane,
            prefetch=prefetch,
            link=self._consuming,
            topology=self._topology,
            publisher=self._publisher,
            on_close=self._subscriptions.discard,
        )
        await subscription.open()
        self._subscriptions.add(subscription)
        return subscription

    async def unpark(self, queue: Queue, known: Callable[[Message], bool], *, lane: str = "default") -> int:
        self._require_durable(queue)
        return await unpark(self._consuming, self._publisher, queue, lane, known)

    async def depth(self, queue: Queue, *, lane: str = "default") -> Depth:
        """Count a durable queue. Unsettled are those of this process: AMQP does not tell of others'."""
        self._require_durable(queue)
        name = queue.queue_name(lane)
        ready, parked, *delayed = await asyncio.gather(
            *(
                count_messages(self._consuming, each)
                for each in (name, parking_name(name), *(retry_name(name, step_s) for step_s in RETRY_STEPS_S))
            )
        )
        ours = [each for each in self._subscriptions if each.name == name]
        return Depth(
            ready=sum((ready, *delayed)) + sum(each.waiting for each in ours),
            unsettled=sum(each.unsettled for each in ours),
            parked=parked,
        )

    async def check(self) -> None:
        """Return if both connections work, the topology is there as declared, and the broker counts our consumers."""
        self._require_open()
        # All of them, whatever the first one says: a consumer that finds itself forgotten comes back.
        consumers = [subscription.check() for subscription in self._subscriptions if not subscription.closed]
        checks = (self._publisher.check(), self._topology.check(), *consumers)
        for problem in await asyncio.gather(*checks, return_exceptions=True):
            if problem is not None:
                raise problem

    async def _ensure(self, message: Message, names: Iterable[str]) -> None:
        """Make sure of the queues of a message: the broker would not miss one of them as long as there is another."""
        if all(self._topology.is_sure(name) for name in names):
            return
        lane = message.routing_key.rsplit(".", 1)[-1]
        try:
            for queue in durable_queues():
                if queue.queue_name(lane) in names:
                    await self._topology.ensure(queue, lane)
        except ConfigError as error:
            raise Unavailable(str(error)) from error

    def _require_durable(self, queue: Queue) -> None:
        if queue.broadcast:
            raise ValueError(f"{queue.name} is a broadcast: nothing of it lies anywhere")
        self._require_open()

    def _require_open(self) -> None:
        if not self._open:
            raise Unavailable("the bus is closed")


def _posting(message: Message, route: Route) -> Posting:
    # A broadcast that nobody listens to is lost, as it may be; a message for a queue must find one.
    return Posting(message, EXCHANGES[message.exchange], message.routing_key, mandatory=bool(route.queues))
