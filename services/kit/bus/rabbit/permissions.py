"""What each user of the broker needs, from the same table as the topology; nothing more is granted.

Write on a queue is granted to whoever sends to it through an exchange. RabbitMQ asks for it only to bind the queue,
which topic permissions deny; but from 4.3.1 on it shows a queue only to those who were granted something on it, and a
sender must see whether the queue is there.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from contracts.topics import DEAD, QUEUES, TOPICS, Queue, Topic
from services.kit.bus.rabbit.topology import BACK, BROADCAST_PREFIX, DEAD_LETTERS, EXCHANGES, broadcast_pattern

NOTHING = "^$"
DEVICE = "device"
"""The edge device: it may publish submissions, and do nothing else."""


class TopicPermissions(NamedTuple):
    """Patterns of routing keys in one exchange, as `rabbitmqctl set_topic_permissions` takes them.

    `write` are keys to publish with, `read` keys to bind a queue with.
    """

    exchange: str
    write: str
    read: str


class Permissions(NamedTuple):
    """Three patterns of names, as `rabbitmqctl set_permissions` takes them, and those of routing keys."""

    configure: str
    write: str
    read: str
    topics: tuple[TopicPermissions, ...] = ()


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
    published = [topic for topic in TOPICS.values() if service in topic.publishers]
    exchanges = {EXCHANGES[topic.exchange] for topic in published}
    sent_to = {queue for topic in published for queue in topic.queues if not queue.broadcast}
    if service == DEVICE:
        return Permissions(NOTHING, _any_of(exchanges, *map(_queue, sent_to)), NOTHING, _topics(published, []))
    owned = [queue for queue in QUEUES.values() if queue.service == service]
    broadcast = re.escape(BROADCAST_PREFIX) + ".*"
    # To bind a broadcast queue of one's own takes write on the queue and read on the exchange.
    heard = [topic for topic in TOPICS.values() if any(queue.broadcast for queue in topic.queues)]
    return Permissions(
        configure=f"^{broadcast}$",
        write=_any_of(
            {*exchanges, DEAD_LETTERS, *({BACK} if owned else ())}, broadcast, *map(_queue, {*sent_to, DEAD})
        ),
        read=_any_of({EXCHANGES[topic.exchange] for topic in heard}, broadcast, *map(_family, owned)),
        topics=_topics(published, heard),
    )


def _topics(published: Iterable[Topic], heard: Iterable[Topic]) -> tuple[TopicPermissions, ...]:
    """For both exchanges that have topics: where RabbitMQ finds no entry, it allows every key."""
    return tuple(
        TopicPermissions(
            name,
            write=_any_of((), *{_keys(topic) for topic in published if topic.exchange == exchange}),
            read=_any_of({broadcast_pattern(topic.type) for topic in heard if topic.exchange == exchange}),
        )
        for exchange, name in EXCHANGES.items()
    )


def _keys(topic: Topic) -> str:
    """The routing keys of a type, in every version and lane."""
    return re.escape(topic.type) + r"\.[^.]+\.[^.]+"


def _queue(queue: Queue) -> str:
    """The queue in every generation and lane, without its retries and its parking."""
    return re.escape(queue.name) + r"\.g[0-9]+" + (r"\.[^.]+" if queue.by_lane else "")


def _family(queue: Queue) -> str:
    """The queue in every generation and lane, with its retries and its parking."""
    return re.escape(queue.name) + r"\.g[0-9]+(\..*)?"


def _any_of(names: Iterable[str], *patterns: str) -> str:
    any_of = [*sorted(re.escape(name) for name in names), *sorted(patterns)]
    return f"^({'|'.join(any_of)})$" if any_of else NOTHING
