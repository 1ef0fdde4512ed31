"""The wake-up for those who wait."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from contracts.base import Payload, QueryId

State = Literal["submitted", "running", "answered", "failed", "cancelled", "expired"]


class StoredResult(Payload):
    """What a waiter needs to decide whether its wait is over.

    `document` is what was stored, as JSON in the layout of the result store's version, where a wait may be over and
    the document is small. Whoever gets none, or cannot read it, looks into the store.
    """

    query_id: QueryId
    revision: Annotated[int, Field(ge=1)]
    state: State
    has_answer: bool = False
    confident: bool = False
    document: str | None = None


class ResultsStored(Payload):
    """Query documents of one tenant have new revisions. May be lost; the lookup is the truth."""

    results: Annotated[tuple[StoredResult, ...], Strict(strict=False), Field(min_length=1, max_length=1000)]
