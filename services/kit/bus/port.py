"""The Bus port: what every message bus promises. An adapter is done when it passes tests/services/kit/bus."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from contracts.topics import Exchange, Queue

MAX_BODY_BYTES = 16 * 1024 * 1024 - 64 * 1024
"""Largest body that every bus takes: RabbitMQ 4 takes messages of 16 MiB, and headers count."""

UNVERIFIED = "unverified"
"""`Message.user` of a message whose sender did not let the broker vouch for it although it could have."""
DEVICE_USER = "device."
"""Broker users of devices are named `device.TENANT.NAME`: what they send is that tenant's and nobody else's."""

# Headers of a dead letter, beside those the message had. The queue is `Queue.name`; the lane is in the routing key.
DEAD_QUEUE = "sightline-dead-queue"
DEAD_REASON = "sightline-dead-reason"
DEAD_DETAIL = "sightline-dead-detail"
DEAD_ATTEMPTS = "sightline-dead-attempts"
DELIVERY_LIMIT = "delivery_limit"
"""Why a bus itself gives a message up: it came back unsettled too often."""

_FEWEST_RETURNS = 20


def delivery_limit(queue: Queue) -> int:
    """Return how often a message may come back unsettled. Retries are settlements: only crashes count here."""
    return max(_FEWEST_RETURNS, queue.retry.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Bytes with an address.

    `user` is the broker-verified sender, UNVERIFIED when it did not say, "" where the bus knows no users.
    """

    exchange: Exchange
    routing_key: str
    headers: Mapping[str, str]
    content_type: str
    body: bytes
    user: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A message handed to a consumer, who must settle it exactly once: ack, retry, reject or park.

    `attempt` is 1 for the first delivery and grows with every retry and every redelivery after a crash. It begins
    at 1 again in the dead queue and after `unpark`. `tag` belongs to the adapter.

    `returned` counts the deliveries just before this one that nobody settled, because the consumer died, was cut off
    or closed. A retry is a settlement: after it `returned` begins at 0. A message that has come back more often than
    `delivery_limit` is not delivered again; it becomes a dead letter with the reason DELIVERY_LIMIT.
    """

    message: Message
    attempt: int
    tag: object
    returned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What lies in a queue: ready (delayed retries included), delivered and unsettled, parked."""

    ready: int
    unsettled: int
    parked: int


class Subscription(Protocol):
    """One consumer of one queue. Its methods may be called from several tasks.

    Settling raises Unavailable when the bus is away or full: the delivery is then not settled and comes again. A
    delivery that is settled already, of another subscription, or of a closed one is passed over.
    """

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait until there is a message, then return what is waiting, oldest first, at most `limit`.

        Never returns more than the prefetch in unsettled deliveries. Returns an empty sequence once the
        subscription is closed. While the bus is away it waits and does not raise. Safe to cancel: a message not
        returned is not lost.
        """
        ...

    def holds(self, delivery: Delivery) -> bool:
        """Say whether `delivery` waits to be settled here.

        One that was settled does not, nor one whose connection was lost or whose subscription was closed: it comes
        again, and work on it would be done twice.
        """
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle as done; returns when the bus has forgotten them durably."""
        ...

    async def retry(self, delivery: Delivery, delay_s: float) -> None:
        """Settle by delivering again to this queue alone, not before `delay_s`, with `attempt` one higher."""
        ...

    async def reject(self, delivery: Delivery, reason: str, detail: str) -> None:
        """Settle by moving the message to the queue `result_store.dead`, with the DEAD_* headers set.

        From that queue itself it is parked instead: nothing is ever dropped.
        """
        ...

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Settle by laying the message aside, durably, until `Bus.unpark` brings it back.

        From a broadcast queue, which keeps nothing, it is dropped.
        """
        ...

    async def close(self) -> None:
        """Stop deliveries, wake every `receive`, release what is unsettled for redelivery. Idempotent.

        A settlement that has begun is finished.
        """
        ...


class Bus(Protocol):
    """A message bus. Enter it to connect; leave it to close every subscription and the connection."""

    async def __aenter__(self) -> Self:
        """Connect and make sure that every queue of `contracts.topics` exists.

        Raises:
            ConfigError: the address is wrong or the server refuses us.
            Unavailable: it cannot be reached.
        """
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything; unsettled deliveries come again later."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is durable in every durable queue that its topic names.

        All or unknown: on an error any subset may have been stored, and publishing again is right.

        Raises:
            Unavailable: the bus is away, blocked, full, or a queue is missing; nothing hangs.
            Unknown: no confirmation came in time.
            Undecodable: the message is larger than the bus takes, or no topic has its routing key.
        """
        ...

    async def subscribe(self, queue: Queue, *, lane: str = "default", prefetch: int = 16) -> Subscription:
        """Start consuming; the queue of a lane exists from then on, where it did not before.

        A broadcast queue gives each subscription a copy of what is published from now on; of a consumer that falls
        far behind, the oldest copies are dropped.

        Raises:
            Unavailable: the bus is away or closed.
        """
        ...

    async def unpark(self, queue: Queue, known: Callable[[Message], bool], *, lane: str = "default") -> int:
        """Move parked messages that are `known` now back into their queue; return how many. Raises Unavailable."""
        ...

    async def depth(self, queue: Queue, *, lane: str = "default") -> Depth:
        """Count a durable queue; zeros for a lane that nobody has used. Raises Unavailable."""
        ...

    async def check(self) -> None:
        """Return if the bus works now; raise Unavailable saying what does not."""
        ...
