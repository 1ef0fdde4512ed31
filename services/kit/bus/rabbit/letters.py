"""Messages of the port as AMQP carries them, and back, whatever somebody else may have put into them.

A message that a consumer sends on (to retry, park or bury it) keeps its origin in headers of ours. They are believed
only where no device can write: on what came through our own exchanges.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiormq import spec
from aiormq.abc import DeliveredMessage

from contracts.topics import DEAD, QUEUES, Exchange, Queue
from services.kit.bus.port import (
    DEAD_ATTEMPTS,
    DEAD_DETAIL,
    DEAD_QUEUE,
    DEAD_REASON,
    DELIVERY_LIMIT,
    UNVERIFIED,
    Message,
    delivery_limit,
)
from services.kit.bus.rabbit.topology import BACK, DEAD_LETTERS, EXCHANGES
from services.kit.errors import Undecodable

_PERSISTENT = 2
_OURS = "sightline-bus-"
_EXCHANGE, _KEY, _USER = f"{_OURS}exchange", f"{_OURS}key", f"{_OURS}user"
_ATTEMPTS, _DELAY_MS, _REASON = f"{_OURS}attempts", f"{_OURS}delay-ms", f"{_OURS}reason"
_LARGEST_HEADERS_BYTES = 48 * 1024
"""Of one message. They travel in one frame, of 128 KiB at most, and a dead letter's come on top."""
_LONGEST_NAME_BYTES = 128
"""Of a header; AMQP ends there, and the driver would cut it off."""
_SHORT_NAME = _LONGEST_NAME_BYTES // 4
"""Characters that fit, whatever they are."""
_LARGEST_DETAIL = 4096
_EXCHANGE_OF: Mapping[str, Exchange] = {name: exchange for exchange, name in EXCHANGES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A delivery, read. `attempts` counts those before this delivery, `returned` is the port's.

    `delay_left_s` is still to be waited.
    """

    message: Message
    attempts: int
    returned: int
    delay_left_s: float


def properties_of(message: Message, user: str) -> spec.Basic.Properties:
    """Return what goes along with the body when it is published, once: what comes back is paired by `message_id`."""
    return spec.Basic.Properties(
        headers=dict(message.headers),
        content_type=message.content_type,
        delivery_mode=_PERSISTENT,
        priority=0,  # said, so that no broker orders them after others of ours that say it
        message_id=f"{random.getrandbits(128):032x}",
        user_id=user,
    )


def checked(message: Message) -> Message:
    """Return a message as a publisher may send it: without headers of ours.

    Raises:
        Undecodable: its headers do not fit.
    """
    headers = {key: value for key, value in message.headers.items() if not key.startswith(_OURS)}
    try:
        sizes = [(len(key.encode()), len(value.encode())) for key, value in headers.items()]
        longest = max(len(message.content_type.encode()), len(message.routing_key.encode()))
    except UnicodeEncodeError:
        raise Undecodable("bad_headers", "a header, the content type or the routing key is not Unicode text") from None
    if longest > 255 or any(key > _LONGEST_NAME_BYTES for key, _ in sizes):
        raise Undecodable("too_large", "the content type, the routing key or the name of a header is too long")
    if sum(key + value for key, value in sizes) > _LARGEST_HEADERS_BYTES:
        raise Undecodable("too_large", f"headers of more than {_LARGEST_HEADERS_BYTES} bytes")
    return replace(message, headers=headers)


def onward(message: Message, *, attempts: int, delay_left_s: float = 0.0, reason: str = "") -> Message:
    """Return the message with its origin and history in its headers, to be sent to one queue."""
    history = {
        _EXCHANGE: message.exchange,
        _KEY: message.routing_key,
        _USER: message.user,
        _ATTEMPTS: str(attempts),
        _DELAY_MS: str(round(delay_left_s * 1000)),
        _REASON: reason[:_LARGEST_DETAIL],
    }
    return replace(message, headers={**message.headers, **{key: text for key, text in history.items() if text}})


def buried(message: Message, queue: Queue, reason: str, detail: str, attempts: int) -> Message:
    """Return the message as a dead letter of `queue`."""
    why = {
        DEAD_QUEUE: queue.name,
        DEAD_REASON: reason[:_LARGEST_DETAIL],
        DEAD_DETAIL: detail[:_LARGEST_DETAIL],
        DEAD_ATTEMPTS: str(attempts),
    }
    return onward(replace(message, headers={**message.headers, **why}), attempts=0)


def read(delivered: DeliveredMessage, queue: Queue) -> Letter:
    """Return what was delivered from `queue`; never raises, since the message would come again and again."""
    properties = delivered.header.properties
    given: Mapping[str, Any] = properties.headers if isinstance(properties.headers, Mapping) else {}
    exchange, key = delivered.exchange or "", delivered.routing_key or ""
    death = _last_death(given) if queue == DEAD and exchange == DEAD_LETTERS else {}
    if death:  # the broker moved it, and what its headers say is as good as the exchange that it was published to
        exchange, key = _text(death.get("exchange")), _text(_first(death.get("routing-keys")))
    headers = _plain(given)
    history = {name: headers.pop(name) for name in [name for name in headers if name.startswith(_OURS)]}
    message = Message(
        exchange=_EXCHANGE_OF.get(exchange, "in"),
        routing_key=key,
        headers=headers,
        content_type=properties.content_type or "",
        body=bytes(delivered.body),
        user=properties.user_id or UNVERIFIED,
    )
    if exchange in {BACK, DEAD_LETTERS}:
        origin = history.get(_EXCHANGE, "")
        message = replace(
            message,
            exchange="facts" if origin == "facts" else "in",
            routing_key=history.get(_KEY, ""),
            user=history.get(_USER, UNVERIFIED),
        )
    else:
        history = {}
    attempts = _number(history.get(_ATTEMPTS))
    if death:
        message, attempts = _given_up(message, death, attempts), 0
    # A count that came along with what the broker buried is of the queue that gave it up: RabbitMQ 4.3 counts on.
    counts = delivered.redelivered and not death
    returned = _number(given.get("x-delivery-count")) if counts else 0
    delay_left_s = _number(history.get(_DELAY_MS)) / 1000
    return Letter(message=message, attempts=attempts + returned, returned=returned, delay_left_s=delay_left_s)


def _given_up(message: Message, death: Mapping[str, Any], attempts: int) -> Message:
    """Say about a dead letter of the broker's own what the port promises of every dead letter."""
    name, reason = _text(death.get("queue")), _text(death.get("reason")) or "unknown"
    queue = next((queue for queue in QUEUES.values() if name.startswith(f"{queue.name}.g")), None)
    delivered = delivery_limit(queue) + 1 if queue and reason == DELIVERY_LIMIT else 1
    why = {
        DEAD_QUEUE: queue.name if queue else name,
        DEAD_REASON: reason,
        DEAD_DETAIL: f"RabbitMQ gave the message up in {name}",
        DEAD_ATTEMPTS: str(attempts + delivered),
    }
    return replace(message, headers={**message.headers, **why})


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry that the broker added last: it puts it in front of whatever a publisher may have written."""
    last = _first(headers.get("x-death"))
    return last if isinstance(last, Mapping) else {}


def _plain(headers: Mapping[str, Any]) -> dict[str, str]:
    """Headers as text. The broker's own and what is not text or number (tables, lists) are left out."""
    plain: dict[str, str] = {}
    for key, value in headers.items():
        if key.startswith("x-") or (
            len(key) > _SHORT_NAME and len(key.encode("utf-8", "replace")) > _LONGEST_NAME_BYTES
        ):
            continue
        if type(value) is str:  # as nearly always
            plain[key] = value
        elif _is_plain(value):
            plain[key] = _text(value)
    if sum(len(key) + len(value) for key, value in plain.items()) <= _LARGEST_HEADERS_BYTES:
        return plain
    return {f"{_OURS}unreadable": "too large"}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | bytes | bytearray | bool | int | float)


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if _is_plain(value) else ""


def _number(value: object) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None
