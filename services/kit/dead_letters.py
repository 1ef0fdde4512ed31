"""A dead letter as the message that it was, to be published again."""

from services.kit.bus.port import DEAD_ATTEMPTS, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, MAX_BODY_BYTES, Message
from services.kit.bus.routing import route
from services.kit.errors import Undecodable
from services.kit.store.records import DeadLetter, LetterSummary

REQUEUES = "sightline-requeues"
"""Header of a message that was published again: how often. A letter's id covers it, so that who dies again is a new
letter, and removing the old one cannot remove the new."""
_MOST_REQUEUES = 9999
_NOT_ITS_OWN = {DEAD_QUEUE, DEAD_REASON, DEAD_DETAIL, DEAD_ATTEMPTS, REQUEUES}


def check_deliverable(letter: LetterSummary) -> None:
    """Return if the message of `letter` may be published again.

    Raises:
        Undecodable: no queue would take it, or no consumer could read it, ever; the detail says why.
    """
    if not letter.tenant:
        # Published by us it would be believed: the sender's right to speak for a tenant ends with its own message.
        raise Undecodable("no_tenant", "it names no tenant that its sender may speak for")
    if letter.size_bytes > MAX_BODY_BYTES:
        raise Undecodable("too_large", f"it has {letter.size_bytes} bytes, at most {MAX_BODY_BYTES} are taken")
    if not route(letter.exchange, letter.routing_key).queues:
        raise Undecodable("unroutable", f"no queue takes the routing key {letter.routing_key[:200]!r}")


def original_of(letter: DeadLetter) -> Message:
    """Return the message as it was before it died, to go to every queue that its topic names.

    Raises:
        Undecodable: as `check_deliverable`.
    """
    check_deliverable(letter)
    own = {name: value for name, value in letter.headers.items() if name not in _NOT_ITS_OWN}
    return Message(
        exchange=letter.exchange,
        routing_key=letter.routing_key,
        headers={**own, REQUEUES: str(letter.requeues + 1)},
        content_type=letter.content_type,
        body=letter.body,
    )


def requeues_of(message: Message) -> int:
    """Return how often the message has been published again."""
    text = message.headers.get(REQUEUES, "")
    return min(int(text), _MOST_REQUEUES) if text.isascii() and text.isdigit() and len(text) < 10 else 0
