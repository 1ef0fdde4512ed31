"""Conditional requests and caching: what a reader has already seen is not sent again."""

from fastapi import Response

FRESH = "private, no-cache"
"""May be kept by the reader alone, and only shown again after asking whether it still holds."""
SECRET = "no-store"  # noqa: S105 - the header's value, not a secret


def is_seen(if_none_match: str | None, etag: str) -> bool:
    """Say whether the request's If-None-Match names `etag` (RFC 9110 13.1.2, weak comparison)."""
    if if_none_match is None:
        return False
    given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in given or given == ["*"]


def not_modified(etag: str) -> Response:
    """Return 304 with the headers that the full answer would have had."""
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": FRESH})
