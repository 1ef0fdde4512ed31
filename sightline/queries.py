"""The calls about queries."""

import math
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict, cast

from contracts.http.queries import LabelRequest, Query, QueryPage
from contracts.v1.results import State
from sightline.calls import Call, json_body, json_text, read_bytes, read_done, reader, segment
from sightline.errors import Refused

_PAGE = 100
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

WaitFor = Literal["answer", "confident"]


class AskOptions(TypedDict, total=False):
    """What may be said with a question.

    `metadata` is any JSON and comes back exactly. `expires_in_s` sheds work that has not begun by then; `patience_s`
    is only kept and echoed. `idempotency_key` makes a repeat of the call give the same ID; one is made if absent.
    """

    confidence_threshold: float
    patience_s: float
    expires_in_s: float
    metadata: Any
    idempotency_key: str


class QueryFilters(TypedDict, total=False):
    """Which queries to list. `open` admits only those without an answer whose work has not ended.

    Times are of creation, from inclusive, until exclusive; one without a zone is local time.
    """

    detector: str
    state: State
    label: str
    open: bool
    created_from: datetime
    created_until: datetime


def query_id_of(query: Query | str) -> str:
    """Return the ID of a query, or the ID as it is."""
    return query.id if isinstance(query, Query) else query


def new_key() -> str:
    """Return a fresh idempotency key."""
    return secrets.token_hex(16)


def submit(
    detector: str, image: bytes, options: AskOptions, *, key: str, wait_s: float = 0.0, wait_for: WaitFor = "answer"
) -> Call[Query]:
    """Ask a detector's question about an image."""
    if not _KEY.fullmatch(key):
        raise Refused("key_invalid", "a key has 1 to 255 visible ASCII characters", status=400)
    params = [("detector", detector)]
    given = cast("Mapping[str, Any]", options)
    numbers = ("confidence_threshold", "patience_s", "expires_in_s")
    params.extend((name, repr(float(given[name]))) for name in numbers if name in given)
    if "metadata" in options:
        params.append(("metadata", json_text(options["metadata"], "metadata_invalid")))
    wait_params, wait_headers = _waiting(wait_s, wait_for)
    return Call(
        method="POST",
        path="/v1/image-queries",
        params=(*params, *wait_params),
        headers={"Idempotency-Key": key, "Content-Type": "application/octet-stream", **wait_headers},
        content=image,
        wait_s=wait_s,
        read=reader(Query),
    )


def get(query_id: str, *, wait_s: float = 0.0, wait_for: WaitFor = "answer") -> Call[Query]:
    """Look a query up, waiting up to `wait_s` for what `wait_for` names."""
    params, headers = _waiting(wait_s, wait_for)
    path = f"/v1/queries/{segment(query_id)}"
    return Call(method="GET", path=path, params=params, headers=headers, wait_s=wait_s, read=reader(Query))


def page_size(limit: int | None) -> int:
    """Return how many to ask for at once, when `limit` are wanted in all."""
    return _PAGE if limit is None else max(1, min(limit, _PAGE))


def page(filters: QueryFilters, size: int, cursor: str | None) -> Call[QueryPage]:
    """Read one page of a list, newest first."""
    params = [(name, _text(value)) for name, value in filters.items() if value is not None]
    params.append(("limit", str(size)))
    if cursor is not None:
        params.append(("cursor", cursor))
    return Call(method="GET", path="/v1/queries", params=tuple(params), read=reader(QueryPage))


def image(query_id: str) -> Call[bytes]:
    """Read the image of a query."""
    return Call(method="GET", path=f"/v1/queries/{segment(query_id)}/image", read=read_bytes)


def cancel(query_id: str) -> Call[Query]:
    """Stop a query whose work has not ended."""
    return Call(method="POST", path=f"/v1/queries/{segment(query_id)}/cancel", read=reader(Query))


def erase(query_id: str) -> Call[bool]:
    """Remove record and image; the reply says whether that is done."""
    return Call(method="DELETE", path=f"/v1/queries/{segment(query_id)}", read=read_done)


def label(query_id: str, text: str, *, confidence: float, labelled_by: str) -> Call[Query]:
    """Give a person's answer."""
    body = json_body(LabelRequest, {"label": text, "confidence": confidence, "labelled_by": labelled_by})
    return Call(
        method="POST",
        path=f"/v1/queries/{segment(query_id)}/labels",
        headers={"Content-Type": "application/json"},
        content=body,
        read=reader(Query),
    )


def _waiting(wait_s: float, wait_for: WaitFor) -> tuple[tuple[tuple[str, str], ...], dict[str, str]]:
    params = (("wait_for", wait_for),) if wait_for != "answer" else ()
    if wait_s <= 0:
        return params, {}
    if wait_s < 1:  # a preference is in whole seconds
        return (*params, ("wait", f"{wait_s:.3f}")), {}
    # A preference, not a demand: the installation may let nobody wait that long, and then answers earlier.
    return params, {"Prefer": f"wait={math.floor(wait_s)}"}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.astimezone()).isoformat()
        except (OverflowError, ValueError, OSError):
            raise Refused("invalid_parameter", f"{value} is not a time that can be asked for") from None
    return str(value)
