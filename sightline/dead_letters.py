"""The calls about dead letters; they need the scope `admin`."""

from typing import TypedDict

from contracts.http.dead_letters import DeadLetter, DeadLetterDetail, DeadLetterPage
from sightline.calls import Call, read_bytes, read_done, reader, segment


class LetterFilters(TypedDict, total=False):
    """Which dead letters to list. `tenant` is for the operator's admins; empty means those of no tenant."""

    queue: str
    reason: str
    query_id: str
    tenant: str


def letter_id_of(letter: DeadLetter | str) -> str:
    """Return the ID of a dead letter, or the ID as it is."""
    return letter.id if isinstance(letter, DeadLetter) else letter


def get(letter_id: str) -> Call[DeadLetterDetail]:
    """Look at a dead letter."""
    return Call(method="GET", path=_path(letter_id), read=reader(DeadLetterDetail))


def image(letter_id: str) -> Call[bytes]:
    """Read the picture of a dead letter."""
    return Call(method="GET", path=f"{_path(letter_id)}/image", read=read_bytes)


def requeue(letter_id: str) -> Call[bool]:
    """Have its message published again; the reply says whether that is done."""
    return Call(method="POST", path=f"{_path(letter_id)}/requeue", read=read_done)


def drop(letter_id: str) -> Call[bool]:
    """Forget it; the reply says whether that is done."""
    return Call(method="DELETE", path=_path(letter_id), read=read_done)


def page(filters: LetterFilters, size: int, cursor: str | None) -> Call[DeadLetterPage]:
    """Read one page of the list, newest first."""
    params = [(name, str(value)) for name, value in filters.items() if value is not None]
    params.append(("limit", str(size)))
    if cursor is not None:
        params.append(("cursor", cursor))
    return Call(method="GET", path="/v1/dead-letters", params=tuple(params), read=reader(DeadLetterPage))


def _path(letter_id: str) -> str:
    return f"/v1/dead-letters/{segment(letter_id)}"
