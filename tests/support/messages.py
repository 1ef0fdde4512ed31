"""Messages made by hand, for tests of the bus."""

from contracts.events import PREFIX, SPEC_VERSION, schema_name
from contracts.topics import TOPICS
from services.kit.bus.port import Message

SUBMITTED = "image_query.submitted"
ANSWERED = "image_query.answered"
CHECK_MODEL = "model.submitted"
STORED = "results.stored"
CHANGED = "detector.changed"


def message(
    type_: str = SUBMITTED,
    body: bytes = b"{}",
    *,
    lane: str = "default",
    version: int = 1,
    headers: dict[str, str] | None = None,
) -> Message:
    """Return a message of the topic `type_`; `version` may be one that nobody knows."""
    return Message(
        exchange=TOPICS[type_, 1].exchange,
        routing_key=f"{type_}.v{version}.{lane}",
        headers={
            f"{PREFIX}specversion": SPEC_VERSION,
            f"{PREFIX}type": type_,
            f"{PREFIX}dataschema": schema_name(type_, version),
            **(headers or {}),
        },
        content_type="application/json",
        body=body,
    )


def numbered(count: int, type_: str = SUBMITTED, *, lane: str = "default", start: int = 0) -> list[Message]:
    """Return `count` messages whose bodies are the numbers from `start`."""
    return [message(type_, str(number).encode(), lane=lane) for number in range(start, start + count)]


def numbers(count: int, *, start: int = 0) -> list[bytes]:
    """Return the bodies of `numbered`."""
    return [str(number).encode() for number in range(start, start + count)]
