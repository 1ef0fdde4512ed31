"""The events that this service publishes. Their ids are functions of what they say: work done twice says it once."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from contracts.base import Payload
from contracts.events import Event
from contracts.v1.control import ModelChecked
from contracts.v1.image_query import ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.query import QueryExpired, QueryFailed, QueryHeld
from services.kit.bus.codec import event_of

SOURCE = "inference"
_DETAIL_LENGTH = 2000


def answer_id(query_id: str, model_digest: str, replay: int) -> str:
    """Return the id of the one answer that a model gives to a query, however often it is asked."""
    return f"ans_{_hash(query_id, model_digest, str(replay))}"


def answered(answers: Sequence[ImageAnswer], *, tenant: str, lane: str) -> Event[Payload]:
    """Return one message with 1 to 64 answers."""
    return event_of(
        ImageQueryAnswered(answers=tuple(answers)),
        source=SOURCE,
        tenant=tenant,
        lane=lane,
        at=answers[-1].answered_at,
        subject=answers[0].query_id if len(answers) == 1 else None,
        event_id=_event_id("answered", *(answer.answer_id for answer in answers)),
    )


def failed(
    asked: Event[ImageQuerySubmitted], reason: str, detail: str, *, attempts: int, at: datetime
) -> Event[Payload]:
    """Say that the query cannot be answered."""
    query = asked.payload
    payload = QueryFailed(
        query_id=query.query_id, reason=reason, detail=detail[:_DETAIL_LENGTH], attempts=attempts, failed_at=at
    )
    return _about(asked, payload, _event_id("failed", query.query_id, reason, str(query.replay)), at)


def expired(asked: Event[ImageQuerySubmitted], *, at: datetime) -> Event[Payload]:
    """Say that the query's time had passed before the work began."""
    query = asked.payload
    payload = QueryExpired(query_id=query.query_id, expired_at=at)
    return _about(asked, payload, _event_id("expired", query.query_id, str(query.replay)), at)


def held(asked: Event[ImageQuerySubmitted], reason: str, *, because: str, at: datetime) -> Event[Payload]:
    """Say that a person must do something first; `because` names the state of things that holds it."""
    query = asked.payload
    payload = QueryHeld(query_id=query.query_id, reason=reason, held_at=at)
    return _about(asked, payload, _event_id("held", query.query_id, reason, because, str(query.replay)), at)


def model_checked(payload: ModelChecked, asked: Event[Payload]) -> Event[Payload]:
    """Say what the check of a model file found."""
    return event_of(
        payload,
        source=SOURCE,
        tenant=asked.tenant,
        lane=asked.lane,
        at=payload.checked_at,
        event_id=_event_id("checked", payload.model_id, payload.digest),
    )


def _about(asked: Event[ImageQuerySubmitted], payload: Payload, event_id: str, at: datetime) -> Event[Payload]:
    return event_of(
        payload,
        source=SOURCE,
        tenant=asked.tenant,
        lane=asked.lane,
        at=at,
        subject=asked.payload.query_id,
        event_id=event_id,
    )


def _event_id(*parts: str) -> str:
    return f"evt_{_hash(*parts)}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:27]
