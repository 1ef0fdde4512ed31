"""Facts about a query of any kind: how it ended other than by an answer, and what holds it."""

from typing import Annotated

from pydantic import Field

from contracts.base import Code, Payload, QueryId, Text, Timestamp


class QueryFailed(Payload):
    """The platform could not answer; `reason` is stable, `detail` is for a person."""

    query_id: QueryId
    reason: Code
    detail: Text = ""
    attempts: Annotated[int, Field(ge=0)] = 0
    failed_at: Timestamp


class QueryCancelled(Payload):
    """Somebody who may asked to stop the query."""

    query_id: QueryId
    cancelled_at: Timestamp
    cancelled_by: Text = ""


class QueryExpired(Payload):
    """The work had not begun when the query's explicit `expires_at` passed."""

    query_id: QueryId
    expired_at: Timestamp


class QueryHeld(Payload):
    """No machine can answer now, for a reason that a person can change; the query stays open."""

    query_id: QueryId
    reason: Code
    held_at: Timestamp


class QueryErased(Payload):
    """Record and image are to be removed; what remains says only that there was something."""

    query_id: QueryId
    erased_at: Timestamp
    erased_by: Text = ""
