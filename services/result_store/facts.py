"""What can happen to one query, one value each: the input of the fold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from contracts.base import Payload
from contracts.events import Event
from contracts.topics import TOPICS
from contracts.v1.image_query import ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.label import LabelAdded
from contracts.v1.query import QueryCancelled, QueryErased, QueryExpired, QueryFailed, QueryHeld
from contracts.v1.search import SearchCompleted, SearchPartDone, SearchSubmitted
from services.kit.store.documents import QueryKey


@dataclass(frozen=True, slots=True)
class Republished:
    """The sweeper published the query again at `at`; `before` is how often it had done so.

    Of several sweepers at once each says the same, and it counts once.
    """

    at: datetime
    before: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The sweeper saw at `at` that what it published again may still wait in its queue."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Released:
    """What held the query is gone, and it was published again at `at`."""

    at: datetime


Happening = (
    ImageQuerySubmitted
    | ImageAnswer
    | SearchSubmitted
    | SearchPartDone
    | SearchCompleted
    | LabelAdded
    | QueryFailed
    | QueryCancelled
    | QueryExpired
    | QueryHeld
    | QueryErased
    | Republished
    | Queued
    | Released
)

_ABOUT_ONE_QUERY = (
    ImageQuerySubmitted,
    SearchSubmitted,
    SearchPartDone,
    SearchCompleted,
    LabelAdded,
    QueryFailed,
    QueryCancelled,
    QueryExpired,
    QueryHeld,
    QueryErased,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to the query `key`.

    `id` is the fact's identity; `contract` the type and version it came in, "" for one of our own making.
    """

    key: QueryKey
    id: str
    at: datetime
    what: Happening
    lane: str = "default"
    contract: str = field(default="")


def facts_of(event: Event[Payload]) -> Sequence[Fact]:
    """Return the facts about queries that a message holds; none for a message about something else."""
    payload = event.payload
    contract = TOPICS[event.type, event.version].name
    if isinstance(payload, ImageQueryAnswered):
        return [
            Fact(QueryKey(event.tenant, a.query_id), a.answer_id, a.answered_at, a, event.lane, contract)
            for a in payload.answers
        ]
    if isinstance(payload, _ABOUT_ONE_QUERY):
        return [Fact(QueryKey(event.tenant, payload.query_id), event.id, event.time, payload, event.lane, contract)]
    return []
