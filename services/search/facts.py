"""The events that this service publishes. Their ids are functions of what they say: work done twice says it once."""

from datetime import datetime

from contracts.base import Payload
from contracts.events import Event
from contracts.v1.query import QueryExpired, QueryFailed
from contracts.v1.search import SearchAssemble, SearchCompleted, SearchPart, SearchPartDone
from services.kit.bus.codec import event_of

SOURCE = "search"
_DETAIL_LENGTH = 2000


def part(asked: Event[Payload], payload: SearchPart, *, at: datetime) -> Event[Payload]:
    """Ask for a part."""
    return _about(asked, payload, payload.query_id, f"{payload.query_id}.part{payload.part}", at)


def part_done(asked: Event[Payload], payload: SearchPartDone) -> Event[Payload]:
    """Say that a part is stored."""
    return _about(asked, payload, payload.query_id, f"{payload.query_id}.done{payload.asked.part}", payload.done_at)


def assemble(asked: Event[Payload], payload: SearchAssemble, *, at: datetime) -> Event[Payload]:
    """Ask for the whole."""
    return _about(asked, payload, payload.query_id, f"{payload.query_id}.assemble", at)


def completed(asked: Event[Payload], payload: SearchCompleted) -> Event[Payload]:
    """Say that the result is whole."""
    return _about(asked, payload, payload.query_id, f"{payload.query_id}.completed", payload.completed_at)


def failed(asked: Event[Payload], query_id: str, reason: str, detail: str, *, at: datetime) -> Event[Payload]:
    """Say that the search cannot be answered."""
    payload = QueryFailed(query_id=query_id, reason=reason, detail=detail[:_DETAIL_LENGTH], failed_at=at)
    return _about(asked, payload, query_id, f"{query_id}.failed.{reason}", at)


def expired(asked: Event[Payload], query_id: str, *, at: datetime) -> Event[Payload]:
    """Say that the search's time had passed before the work began."""
    return _about(asked, QueryExpired(query_id=query_id, expired_at=at), query_id, f"{query_id}.expired", at)


def _about(asked: Event[Payload], payload: Payload, query_id: str, event_id: str, at: datetime) -> Event[Payload]:
    return event_of(
        payload,
        source=SOURCE,
        tenant=asked.tenant,
        lane=asked.lane,
        at=at,
        subject=query_id,
        event_id=event_id,
    )
