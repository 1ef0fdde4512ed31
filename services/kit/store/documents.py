"""The document that stands for a query in the store."""

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from contracts.kinds import KindName
from contracts.v1.image_query import Box, ImageQuerySubmitted, Score, Timings
from contracts.v1.results import State
from contracts.v1.search import SearchSubmitted

Submitted = ImageQuerySubmitted | SearchSubmitted
"""The question of a query of any kind."""

LAYOUT = 1
"""The layout that this version writes. A reader lifts older ones; see `services.kit.store.layout`."""

OPEN_STATES: frozenset[State] = frozenset({"submitted", "running"})


class QueryKey(NamedTuple):
    """The key of a document: IDs are unique, but the tenant is part of every lookup all the same."""

    tenant: str
    id: str


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AnswerRecord(_Part):
    """One answer, append-only, keyed by (source, id)."""

    id: str
    source: Literal["model", "person"]
    label: str
    confidence: float
    boxes: tuple[Box, ...] = ()
    text: str | None = None
    text_cut: bool = False
    scores: tuple[Score, ...] = ()
    model_name: str | None = None
    model_digest: str | None = None
    by: str = ""
    at: datetime
    replay: int = 0
    attempt: int = 1
    timings: Timings | None = None
    image_width: int | None = None
    image_height: int | None = None


class Transition(_Part):
    """One change of state as it was folded."""

    state: State
    at: datetime
    fact_id: str
    revision: int


class Failure(_Part):
    """Why a query failed."""

    reason: str
    detail: str = ""


class SearchProgress(_Part):
    """How far a search has come. `rows` and `size_bytes` are of the parts until the result is whole."""

    parts: int
    done: tuple[int, ...] = ()
    """The parts that are stored, ascending."""
    rows: int = 0
    size_bytes: int = 0


class QueryDocument(_Part):
    """Everything that is known of one query. Made and changed only by `services.result_store.fold`.

    `request` is None while a fact has overtaken its submission; its image never carries `data`. `answer` is the one
    of `answers` that counts. `expires_at` is retention (None: kept), not the query's own expiry, which is
    `request.expires_at`. An erased document keeps only its key, state and history.
    """

    layout: int = LAYOUT
    id: str
    tenant: str
    kind: KindName = "image_query"
    lane: str = "default"
    state: State = "submitted"
    revision: int
    request: Submitted | None = None
    search: SearchProgress | None = None
    answers: tuple[AnswerRecord, ...] = ()
    answer: AnswerRecord | None = None
    error: Failure | None = None
    held: str | None = None
    attempts: int = 0
    sweeps: int = 0
    """How often the sweeper published it again."""
    lineage: tuple[str, ...] = ()
    """The message types and versions that were folded, sorted, e.g. `image_query.submitted.v1`."""
    history: tuple[Transition, ...] = ()
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    erased_at: datetime | None = None

    @property
    def key(self) -> QueryKey:
        """Tenant and ID."""
        return QueryKey(self.tenant, self.id)

    @property
    def image_request(self) -> ImageQuerySubmitted | None:
        """The question about an image; None for another kind, and while it is not known."""
        return self.request if isinstance(self.request, ImageQuerySubmitted) else None

    @property
    def search_request(self) -> SearchSubmitted | None:
        """The search that was asked for; None for another kind, and while it is not known."""
        return self.request if isinstance(self.request, SearchSubmitted) else None

    @property
    def ended(self) -> bool:
        """True when the machine's work is over."""
        return self.state not in OPEN_STATES

    @property
    def confident(self) -> bool:
        """True when the answer that counts reaches the query's threshold."""
        if self.answer is None:
            return False
        threshold = self.image_request.confidence_threshold if self.image_request else 1.0
        return self.answer.source == "person" or self.answer.confidence >= threshold
