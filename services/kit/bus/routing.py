"""Where a message goes: from its exchange and routing key to the queues of `contracts.topics`."""

import re
from dataclasses import dataclass

from contracts.base import NAME_PATTERN
from contracts.topics import TOPICS, Exchange, Queue, Topic
from services.kit.bus.port import MAX_BODY_BYTES, Message
from services.kit.errors import Undecodable

_KEY = re.compile(rf"(?P<type>.+)\.v[1-9][0-9]{{0,5}}\.(?P<lane>{NAME_PATTERN.strip('^$')})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The names of the durable queues, lane included, and the broadcast queues that take a message."""

    queues: tuple[str, ...]
    broadcasts: tuple[Queue, ...]


def route(exchange: Exchange, routing_key: str) -> Route:
    """Return where a message with this address goes.

    Its version plays no part: a queue takes every version of its types, and its consumer parks one it does not know.

    Raises:
        Undecodable: no topic has this type, it belongs to the other exchange, or the key is not `type.vN.lane`.
    """
    match = _KEY.fullmatch(routing_key)
    topics = _BY_TYPE.get(match["type"], ()) if match else ()
    if match is None or not topics:
        raise Undecodable("unroutable", f"no topic has the routing key {routing_key[:200]!r}")
    queues = {queue: None for topic in topics if topic.exchange == exchange for queue in topic.queues}
    if not queues:
        raise Undecodable("unroutable", f"{match['type']} does not belong to the exchange {exchange[:200]!r}")
    return Route(
        queues=tuple(queue.queue_name(match["lane"]) for queue in queues if not queue.broadcast),
        broadcasts=tuple(queue for queue in queues if queue.broadcast),
    )


def route_message(message: Message) -> Route:
    """Return where `message` goes.

    Raises:
        Undecodable: as `route`, and when the body is larger than a bus takes.
    """
    if len(message.body) > MAX_BODY_BYTES:
        raise Undecodable("too_large", f"{len(message.body)} bytes, at most {MAX_BODY_BYTES} are taken")
    return route(message.exchange, message.routing_key)


def _by_type() -> dict[str, tuple[Topic, ...]]:
    table: dict[str, tuple[Topic, ...]] = {}
    for topic in TOPICS.values():
        table[topic.type] = (*table.get(topic.type, ()), topic)
    return table


_BY_TYPE = _by_type()
