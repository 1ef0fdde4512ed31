"""What each user of the broker needs, from the same table as the topology; nothing more is granted."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from contracts.topics import QUEUES, TOPICS, Queue
from services.kit.bus.rabbit.topology import BACK, BROADCAST_PREFIX, DEAD_LETTERS, EXCHANGES

NOTHING = "^$"
DEVICE = "device"
"""The edge device: it may publish submissions, and do nothing else."""


class Permissions(NamedTuple):
    """Three patterns of names, as `rabbitmqctl set_permissions` takes them."""

    configure: str
    write: str
    read: str


def roles() -> tuple[str, ...]:
    """Return every service and producer that the table names, sorted."""
    producers = {producer for topic in TOPICS.values() for producer in topic.producers}
    return tuple(sorted(producers | {queue.service for queue in QUEUES.values()} - {"any"}))


def permissions(service: str) -> Permissions:
    """Return what the user of `service` needs, where somebody else has declared the topology.

    Raises:
        ValueError: the table names no such service.
    """
    if service not in roles():
        raise ValueError(f"there is no service {service!r}; there are {', '.join(roles())}")
    published = {EXCHANGES[topic.exchange] for topic in TOPICS.values() if service in topic.producers}
    if service == DEVICE:
        return Permissions(NOTHING, _any_of(published), NOTHING)
    owned = [queue for queue in QUEUES.values() if queue.service == service]
    broadcast = re.escape(BROADCAST_PREFIX) + ".*"
    # To bind a broadcast queue of one's own takes write on the queue and read on the exchange.
    heard = {EXCHANGES[topic.exchange] for topic in TOPICS.values() if any(queue.broadcast for queue in topic.queues)}
    return Permissions(
        configure=f"^{broadcast}$",
        write=_any_of({*published, DEAD_LETTERS, *({BACK} if owned else ())}, broadcast),
        read=_any_of(heard, broadcast, *(_family(queue) for queue in owned)),
    )


def _family(queue: Queue) -> str:
    """The queue in every generation and lane, with its retries and its parking."""
    return re.escape(queue.name) + r"\.g[0-9]+(\..*)?"


def _any_of(names: Iterable[str], *patterns: str) -> str:
    return f"^({'|'.join([*sorted(re.escape(name) for name in names), *patterns])})$"
