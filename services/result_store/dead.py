"""Dead letters are facts too: each is kept for an operator, and a lost question fails its query."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

import ormsgpack
import structlog

from contracts.base import NAME_PATTERN, Payload
from contracts.events import PREFIX, Event
from contracts.ids import IMAGE_QUERY, is_id
from contracts.topics import IMAGE_QUERIES
from contracts.v1.query import QueryFailed
from services.kit.bus.codec import MSGPACK, may_speak_for
from services.kit.bus.port import DEAD_ATTEMPTS, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, Message
from services.kit.clock import Clock
from services.kit.store.documents import QueryKey
from services.kit.store.port import Store
from services.kit.store.records import DeadLetter
from services.result_store.facts import Fact

log = structlog.get_logger(__name__)

_SUBMITTED = "image_query.submitted"
_NAME = re.compile(NAME_PATTERN)
_MAX_DETAIL = 2000


def as_dead(message: Message) -> Event[Payload]:
    """Wrap any bytes as an event: a decoder for the consume loop that never refuses."""
    return Event(
        id=_letter_id(message),
        type="dead",
        version=1,
        source=message.headers.get(DEAD_QUEUE, ""),
        time=datetime.min,  # noqa: DTZ901 - not used; dead letters are dated when they are kept
        tenant=_tenant(message),
        payload=Payload(),
    )


async def keep_letters(messages: Sequence[Message], store: Store, clock: Clock) -> list[Fact]:
    """Store the letters durably; return the failures that follow from them. Idempotent."""
    facts: list[Fact] = []
    for message in messages:
        letter = _letter(message, clock.now())
        await store.dead_letters.add(letter)
        log.error("dead_letter.kept", id=letter.id, queue=letter.queue, reason=letter.reason, query_id=letter.query_id)
        if letter.query_id is not None and letter.tenant and _lost_question(message):
            failed = QueryFailed(
                query_id=letter.query_id,
                reason=letter.reason if re.fullmatch(r"[a-z][a-z0-9_]{0,63}", letter.reason) else "dead_letter",
                detail=letter.detail,
                attempts=letter.attempts,
                failed_at=letter.died_at,
            )
            facts.append(Fact(QueryKey(letter.tenant, letter.query_id), letter.id, letter.died_at, failed))
    return facts


def _letter(message: Message, died_at: datetime) -> DeadLetter:
    headers = dict(message.headers)
    attempts = headers.get(DEAD_ATTEMPTS, "0")
    return DeadLetter(
        id=_letter_id(message),
        tenant=_tenant(message),
        query_id=_query_id(message),
        queue=headers.get(DEAD_QUEUE, ""),
        reason=headers.get(DEAD_REASON, ""),
        detail=headers.get(DEAD_DETAIL, "")[:_MAX_DETAIL],
        attempts=int(attempts) if attempts.isdecimal() else 0,
        routing_key=message.routing_key,
        exchange=message.exchange,
        headers=headers,
        content_type=message.content_type,
        body=message.body,
        died_at=died_at,
    )


def _letter_id(message: Message) -> str:
    """Return the same id for the same message from the same queue, so that a repeat is not a second letter."""
    digest = hashlib.sha256(message.headers.get(DEAD_QUEUE, "").encode())
    digest.update(message.headers.get(PREFIX + "id", "").encode())
    digest.update(message.body)
    return f"dead_{digest.hexdigest()[:27]}"


def _lost_question(message: Message) -> bool:
    """Say whether nobody will answer the query now: its question died, wherever."""
    return message.routing_key.startswith(f"{_SUBMITTED}.") or message.headers.get(DEAD_QUEUE) == IMAGE_QUERIES.name


def _tenant(message: Message) -> str:
    """Return the tenant that the message names, "" when it names none or may not speak for it.

    Otherwise a device could end another tenant's query by sending rubbish under its ID.
    """
    tenant = message.headers.get(PREFIX + "tenant", "")
    return tenant if _NAME.match(tenant) and may_speak_for(message, tenant) else ""


def _query_id(message: Message) -> str | None:
    subject = message.headers.get(PREFIX + "subject", "")
    if is_id(subject, IMAGE_QUERY):
        return subject
    if message.content_type != MSGPACK:
        return None
    try:
        body = ormsgpack.unpackb(message.body)
    except ormsgpack.MsgpackDecodeError:
        return None
    found = body.get("query_id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and is_id(found, IMAGE_QUERY) else None
