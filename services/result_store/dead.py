"""Dead letters are facts too: each is kept for an operator, and a lost question fails its query.

An operator has them published again or dropped; see docs/adr/0012-a-requeued-query-keeps-its-end.md.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import ormsgpack
import structlog

from contracts.base import NAME_PATTERN, Payload
from contracts.events import PREFIX, Event
from contracts.kinds import KINDS, kind_of
from contracts.topics import BY_MODEL
from contracts.v1.query import QueryFailed
from services.kit.bus.codec import MSGPACK, may_speak_for
from services.kit.bus.port import DEAD_ATTEMPTS, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, Bus, Message
from services.kit.clock import Clock
from services.kit.dead_letters import original_of, requeues_of
from services.kit.errors import Undecodable
from services.kit.store.documents import QueryKey
from services.kit.store.port import LetterFilter, Store
from services.kit.store.records import DeadLetter
from services.result_store.facts import Fact

log = structlog.get_logger(__name__)

_QUESTIONS = tuple(f"{BY_MODEL[kind.submitted].type}." for kind in KINDS)
_WORK = frozenset(queue.name for kind in KINDS for queue in kind.work)
_NAME = re.compile(NAME_PATTERN)
_MAX_DETAIL = 2000
_AT_ONCE = 100


def as_dead(message: Message) -> Event[Payload]:
    """Wrap any bytes as an event: a decoder for the consume loop that never refuses."""
    return Event(
        id=_letter_id(message),
        type="dead",
        version=1,
        source=message.headers.get(DEAD_QUEUE, ""),
        time=datetime.now(UTC),  # when it died nobody tells, and its age says nothing of this queue
        tenant=_tenant(message),
        payload=Payload(),
    )


async def keep_letters(messages: Sequence[Message], store: Store, clock: Clock) -> list[Fact]:
    """Store the letters durably; return the failures that follow from them. Idempotent.

    Nothing is kept of what is about an erased query.
    """
    facts: list[Fact] = []
    letters = [_letter(message, clock.now()) for message in messages]
    erased = await _erased(letters, store)
    for message, letter in zip(messages, letters, strict=True):
        if letter.query_id is not None and QueryKey(letter.tenant, letter.query_id) in erased:
            continue
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


async def requeue(letter_id: str, store: Store, bus: Bus) -> None:
    """Publish the message of a letter again, then remove the letter; nothing happens when there is no such letter.

    A crash between the two leaves the letter, to be published once more: what it causes is folded once.

    Raises:
        Unavailable: bus or store is away; repeat it.
    """
    letter = await store.dead_letters.get(letter_id)
    if letter is None:
        return
    try:
        await bus.publish([original_of(letter)])
    except Undecodable as error:  # refused at the door already, unless versions differ
        log.error("dead_letter.undeliverable", id=letter_id, reason=error.code)  # noqa: TRY400 - no trace needed
        return
    await store.dead_letters.delete(letter_id)
    log.info("dead_letter.requeued", id=letter_id, query_id=letter.query_id, requeues=letter.requeues + 1)


async def forget_letters(key: QueryKey, store: Store) -> None:
    """Remove the letters about an erased query: they hold its question, perhaps its image."""
    about = LetterFilter(tenant=key.tenant, query_id=key.id)
    while letters := (await store.dead_letters.page(about, None, _AT_ONCE)).items:
        for letter in letters:
            await store.dead_letters.delete(letter.id)


async def _erased(letters: Sequence[DeadLetter], store: Store) -> frozenset[QueryKey]:
    keys = {QueryKey(letter.tenant, letter.query_id) for letter in letters if letter.query_id and letter.tenant}
    documents = await store.queries.load(list(keys)) if keys else {}
    return frozenset(key for key, document in documents.items() if document.erased_at is not None)


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
        requeues=requeues_of(message),
        routing_key=message.routing_key,
        exchange=message.exchange,
        headers=headers,
        content_type=message.content_type,
        body=message.body,
        size_bytes=len(message.body),
        died_at=died_at,
    )


def _letter_id(message: Message) -> str:
    """Return the same id for the same message from the same queue, so that a repeat is not a second letter.

    A message that was published again and died again is another letter.
    """
    digest = hashlib.sha256(message.headers.get(DEAD_QUEUE, "").encode())
    digest.update(message.headers.get(PREFIX + "id", "").encode())
    digest.update(message.body)
    if requeues := requeues_of(message):
        digest.update(f"|{requeues}".encode())
    return f"dead_{digest.hexdigest()[:27]}"


def _lost_question(message: Message) -> bool:
    """Say whether nobody will answer the query now: its question died, wherever."""
    return message.routing_key.startswith(_QUESTIONS) or message.headers.get(DEAD_QUEUE) in _WORK


def _tenant(message: Message) -> str:
    """Return the tenant that the message names, "" when it names none or may not speak for it.

    Otherwise a device could end another tenant's query by sending rubbish under its ID.
    """
    tenant = message.headers.get(PREFIX + "tenant", "")
    return tenant if _NAME.match(tenant) and may_speak_for(message, tenant) else ""


def _query_id(message: Message) -> str | None:
    subject = message.headers.get(PREFIX + "subject", "")
    if kind_of(subject) is not None:
        return subject
    if message.content_type != MSGPACK:
        return None
    try:
        body = ormsgpack.unpackb(message.body)
    except ormsgpack.MsgpackDecodeError:
        return None
    found = body.get("query_id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and kind_of(found) is not None else None
