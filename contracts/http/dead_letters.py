"""Dead letters: messages that a queue gave up, kept for an operator."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from contracts.http.base import Json, Resource


class DeadLetter(Resource):
    """What is known of a dead letter, without the message. `died_at` is when it was kept."""

    id: str
    tenant: str = ""
    """Empty when the message speaks for no tenant: then only the operator's admins see it."""
    query_id: str | None = None
    queue: str
    reason: str
    detail: str = ""
    attempts: int
    requeues: int = 0
    """How often it was published again before it died this time."""
    routing_key: str
    content_type: str = ""
    size_bytes: int
    died_at: datetime


class LetterImage(Resource):
    """The picture of a dead letter; its bytes are at `url`, unless they have been removed with their query."""

    media_type: str
    size_bytes: int | None = None
    sha256: str | None = None
    inline: bool
    """True when the bytes travel in the message itself, false when they lie in the store."""
    url: str


class DeadLetterDetail(DeadLetter):
    """A dead letter with its message. `payload` is null when it cannot be read; bytes in it are left out."""

    headers: Annotated[dict[str, str], Field(default_factory=dict)]
    payload: Json = None
    image: LetterImage | None = None


class DeadLetterPage(Resource):
    """A page of dead letters, newest first; `next_cursor` is null on the last one."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None = None
