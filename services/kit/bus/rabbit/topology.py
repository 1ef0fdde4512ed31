"""What there is on the broker, made from `contracts.topics` alone.

    sightline.in, sightline.facts   where producers publish; topic exchanges, keys `type.vN.lane`
    sightline.back                  brings a message to one queue, by the queue's name
    sightline.dead                  leads to result_store.dead, for what a queue gave up

Each work queue has with it one queue per retry delay, whose messages expire back into it alone, and a parking queue.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.topics import DEAD, QUEUES, TOPICS, Exchange, Queue
from services.kit.bus.port import delivery_limit

IN, FACTS_EXCHANGE = "sightline.in", "sightline.facts"
EXCHANGES: Mapping[Exchange, str] = {"in": IN, "facts": FACTS_EXCHANGE}
BACK, DEAD_LETTERS = "sightline.back", "sightline.dead"
EXCHANGE_TYPES: Mapping[str, str] = {IN: "topic", FACTS_EXCHANGE: "topic", BACK: "direct", DEAD_LETTERS: "direct"}
DEAD_KEY = "dead"
BROADCAST_PREFIX = "sightline.broadcast."

RETRY_STEPS_S = (0.5, 2.0, 8.0, 30.0)
"""The delays that have a queue; longer ones take several, and a delay between two takes the next longer one."""

QUEUE_LIMIT_BYTES = 4 * 1024**3
LONGEST_BROADCAST = 10_000
LARGEST_BROADCAST_BYTES = 64 * 1024 * 1024
"""Copies kept for a process that does not receive them; then the oldest are dropped."""

_PARKED_DELIVERIES = 1_000_000_000
"""Looking into a parking queue counts as deliveries. RabbitMQ 4 sets a limit of 20 where none is given."""

Arguments = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Binding:
    """Which messages of an exchange a queue takes."""

    exchange: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSpec:
    """A queue as it is declared. A durable one is a quorum queue, the other exclusive to its connection."""

    name: str
    arguments: Arguments
    bindings: tuple[Binding, ...]
    durable: bool = True


def parking_name(name: str) -> str:
    """Return the parking queue of a work queue."""
    return f"{name}.parked"


def retry_name(name: str, step_s: float) -> str:
    """Return the queue of a work queue in which a retry waits for `step_s`."""
    return f"{name}.retry.{round(step_s * 1000)}"


def retry_step_s(delay_s: float) -> float:
    """Return the first step of a delay: the next longer one, unless it is too long; then a shorter one, to go on from.

    Only a delay of more than the longest step, or far from every step, takes more than one.
    """
    longer = [step for step in RETRY_STEPS_S if step >= delay_s]
    if longer and (longer[0] <= 2 * delay_s or longer[0] == RETRY_STEPS_S[0]):
        return longer[0]
    return max((step for step in RETRY_STEPS_S if step <= delay_s), default=RETRY_STEPS_S[0])


def durable_specs(queue: Queue, lane: str, limit_bytes: int = QUEUE_LIMIT_BYTES) -> tuple[QueueSpec, ...]:
    """Return the work queue and those that belong to it, in the order in which they are declared."""
    name = queue.queue_name(lane)
    if queue == DEAD:
        gives_up_to, key = BACK, parking_name(name)
    else:
        gives_up_to, key = DEAD_LETTERS, DEAD_KEY
    parked = QueueSpec(
        name=parking_name(name),
        arguments=_quorum(limit_bytes, deliveries=_PARKED_DELIVERIES),
        bindings=(Binding(BACK, parking_name(name)),),
    )
    retries = tuple(
        QueueSpec(
            name=retry_name(name, step_s),
            arguments=_quorum(limit_bytes, deliveries=_PARKED_DELIVERIES)
            | _dead_letters(BACK, name)
            | {"x-message-ttl": round(step_s * 1000)},
            bindings=(Binding(BACK, retry_name(name, step_s)),),
        )
        for step_s in RETRY_STEPS_S
    )
    work = QueueSpec(
        name=name,
        arguments=_quorum(limit_bytes, deliveries=delivery_limit(queue)) | _dead_letters(gives_up_to, key),
        bindings=(Binding(BACK, name), *_bindings(queue, lane)),
    )
    return (parked, *retries, work)


def broadcast_spec(queue: Queue, token: str) -> QueueSpec:
    """Return the queue of one process for a broadcast; `token` makes its name unique."""
    return QueueSpec(
        name=f"{BROADCAST_PREFIX}{queue.name}.{token}",
        arguments={
            "x-max-length": LONGEST_BROADCAST,
            "x-max-length-bytes": LARGEST_BROADCAST_BYTES,
            "x-overflow": "drop-head",
        },
        bindings=tuple(Binding(EXCHANGES[exchange], broadcast_pattern(type_)) for type_, exchange in _taken(queue)),
        durable=False,
    )


def broadcast_pattern(type_: str) -> str:
    """Return the pattern that binds a broadcast; no work queue is bound with it, so who may unbind it harms nobody."""
    return f"{type_}.#"


def all_specs(lanes: Iterable[str], limit_bytes: int = QUEUE_LIMIT_BYTES) -> list[QueueSpec]:
    """Return every durable queue, those by lane for each of `lanes`; the queue of dead letters comes first."""
    return [
        spec
        for queue in durable_queues()
        for lane in (lanes if queue.by_lane else ("default",))
        for spec in durable_specs(queue, lane, limit_bytes)
    ]


def durable_queues() -> list[Queue]:
    """Return the durable queues of the table, the one for dead letters first: the others lead to it."""
    return sorted((queue for queue in QUEUES.values() if not queue.broadcast), key=lambda queue: queue != DEAD)


def _bindings(queue: Queue, lane: str) -> Iterable[Binding]:
    if queue == DEAD:
        yield Binding(DEAD_LETTERS, DEAD_KEY)
    # One pattern takes every version of a type: a consumer parks one that it does not know. The number of words is
    # fixed, so a key with a word too many goes nowhere and is returned to its publisher.
    words = lane if queue.by_lane else "*"
    for type_, exchange in _taken(queue):
        yield Binding(EXCHANGES[exchange], f"{type_}.*.{words}")


def _taken(queue: Queue) -> Iterable[tuple[str, Exchange]]:
    return dict.fromkeys((topic.type, topic.exchange) for topic in TOPICS.values() if queue in topic.queues)


def _quorum(limit_bytes: int, *, deliveries: int) -> dict[str, str | int]:
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": deliveries,
        "x-max-length-bytes": limit_bytes,
        "x-overflow": "reject-publish",
    }


def _dead_letters(exchange: str, key: str) -> dict[str, str | int]:
    return {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-routing-key": key,
        "x-dead-letter-strategy": "at-least-once",
    }
