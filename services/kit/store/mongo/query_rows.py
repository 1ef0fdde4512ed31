"""What the port's questions ask of a query, as the `index` of its row."""

from collections.abc import Mapping
from typing import Any

from services.kit.store.documents import OPEN_STATES, QueryDocument
from services.kit.store.micros import to_micros
from services.kit.store.mongo.driver import Row
from services.kit.store.mongo.rows import expires_us
from services.kit.store.port import PASSED_STATES, QueryFilter


def index_of(document: QueryDocument) -> Row:
    """Return the fields to look the document up by. Those that do not apply are absent, so that indexes stay small."""
    request, image_request, listed = document.request, document.image_request, document.erased_at is None
    is_open = document.state in OPEN_STATES and listed
    unanswered = is_open and not document.answers
    fields = {
        "listed": listed or None,
        "state": document.state,
        "label": document.answer.label if document.answer else None,
        "detector_id": image_request.detector_id if image_request else None,
        "image_sha256": image_request.image.sha256 if image_request and listed else None,
        "unanswered": unanswered or None,
        "waiting": (unanswered and request is not None and document.held is None) or None,
        "passed": document.state in PASSED_STATES or None,
        "held_for": image_request.detector_id if image_request and is_open and document.held is not None else None,
        "due_us": to_micros(request.expires_at) if request and is_open else None,
        "created_us": to_micros(document.created_at),
        "updated_us": to_micros(document.updated_at),
        "expires_us": expires_us(document.expires_at),
    }
    return {name: value for name, value in fields.items() if value is not None}


def conditions(query_filter: QueryFilter) -> Row:
    """Return the filter in terms of `index_of`."""
    wanted: Mapping[str, Any] = {
        "kind": query_filter.kind,
        "index.detector_id": query_filter.detector_id,
        "index.state": query_filter.state,
        "index.label": query_filter.label,
        "index.unanswered": query_filter.open_only or None,
    }
    found: Row = {name: {"$eq": value} for name, value in wanted.items() if value is not None}
    created: Row = {}
    if query_filter.created_from is not None:
        created["$gte"] = to_micros(query_filter.created_from)
    if query_filter.created_until is not None:
        created["$lt"] = to_micros(query_filter.created_until)
    return {**found, "index.created_us": created} if created else found
