"""The wake-up for those who wait."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from contracts.base import Payload, QueryId

State = Literal["submitted", "running", "answered", "failed", "cancelled", "expired"]


class StoredResult(Payload):
    """What a waiter needs to decide whether to look: never the result itself."""

    query_id: QueryId
    revision: Annotated[int, Field(ge=1)]
    state: State
    has_answer: bool = False
    confident: bool = False


class ResultsStored(Payload):
    """Query documents of one tenant have new revisions. May be lost; the lookup is the truth."""

    results: Annotated[tuple[StoredResult, ...], Strict(strict=False), Field(min_length=1, max_length=1000)]
