"""A query as its readers see it."""

from datetime import datetime
from typing import Literal

from contracts.base import Code, Label, Probability, Text
from contracts.http.base import Json, Request, Resource
from contracts.kinds import KindName
from contracts.v1.image_query import Box, Boxes, Score, Timings
from contracts.v1.results import State
from contracts.v1.search import SearchType

UNCLEAR = "UNCLEAR"
"""The label of a query that has no answer yet, and an answer a person may give."""
GREATER_THAN_MAX = "GREATER_THAN_MAX"
"""The label of more objects than a detector counts or boxes."""
NO_OBJECTS, BOUNDING_BOX = "NO_OBJECTS", "BOUNDING_BOX"
"""The other labels of a detector that boxes."""
TEXT = "TEXT"
"""The label of a text, which stands beside it."""


class ModelRef(Resource):
    """The model that gave an answer."""

    name: str
    digest: str


class Answer(Resource):
    """One answer, by a model or a person."""

    id: str
    source: Literal["model", "person"]
    label: Label
    confidence: Probability
    boxes: tuple[Box, ...] = ()
    text: str | None = None
    text_cut: bool = False
    scores: tuple[Score, ...] = ()
    model: ModelRef | None = None
    answered_by: str = ""
    answered_at: datetime
    timings: Timings | None = None


class QueryError(Resource):
    """Why a query failed."""

    reason: Code
    detail: str = ""


class ImageInfo(Resource):
    """What is known of the image; its bytes are at `url`."""

    sha256: str
    size_bytes: int
    media_type: str
    url: str = ""


class Transition(Resource):
    """One change of state, as the store recorded it."""

    state: State
    at: datetime
    revision: int


class SearchInfo(Resource):
    """A search and how far it has come; its rows are at `url`."""

    type: SearchType
    query: Json
    parts: int | None = None
    """Known once the first part is done."""
    parts_done: int = 0
    rows: int | None = None
    """How many results; null until all are there."""
    size_bytes: int | None = None
    url: str = ""


class Query(Resource):
    """An asynchronous query: asked at `created_at`, answered when `answer` is there.

    `label` is UNCLEAR and `confidence` null until the first answer. `state` is the machine's work and ends once.
    """

    id: str
    kind: KindName = "image_query"
    state: State
    revision: int
    label: str = UNCLEAR
    confidence: Probability | None = None
    confident: bool = False
    answer: Answer | None = None
    answers: tuple[Answer, ...] = ()
    error: QueryError | None = None
    held: Code | None = None
    """Why no machine can answer now, e.g. `no_model`: the query waits for a person."""
    detector_id: str | None = None
    confidence_threshold: Probability | None = None
    patience_s: float | None = None
    metadata: Json = None
    image: ImageInfo | None = None
    search: SearchInfo | None = None
    history: tuple[Transition, ...] = ()
    attempts: int = 0
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    answered_in_ms: float | None = None
    """Milliseconds from submission to the first answer, by the clocks of submitter and worker."""

    @property
    def ended(self) -> bool:
        """True when the machine's work is over."""
        return self.state in {"answered", "failed", "cancelled", "expired"}


class QueryPage(Resource):
    """A page of queries, newest first; `next_cursor` is null on the last one."""

    items: tuple[Query, ...]
    next_cursor: str | None = None


class LabelRequest(Request):
    """A person's answer."""

    label: Label
    """One of the detector's labels; a number for one that counts; the text for one that reads; or UNCLEAR."""
    boxes: Boxes = ()
    confidence: Probability = 1.0
    labelled_by: Text = ""
