"""JSON bodies: what must hold before the fields are looked at, and free JSON that is kept."""

import json
from collections.abc import Iterable

from fastapi import Request

from contracts.http.base import Json
from services.kit.errors import Refused

MAX_METADATA_CHARACTERS = 4096
_MAX_DEPTH = 32


async def needs_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise Refused("media_type", "send JSON with Content-Type: application/json")


def to_metadata_text(value: Json) -> str | None:
    """Return the client's JSON as text to keep; null is None.

    Raises:
        Refused: metadata_invalid, it is too large, too deep, or cannot be written as JSON in UTF-8.
    """
    if value is None:
        return None
    if _depth_exceeds(value, _MAX_DEPTH):
        raise Refused("metadata_invalid", f"metadata may be nested {_MAX_DEPTH} levels deep")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:
        raise Refused("metadata_invalid", "metadata holds half of a surrogate pair, which is not text") from None
    except ValueError:
        raise Refused("metadata_invalid", "metadata holds a number that JSON does not have") from None
    if len(text) > MAX_METADATA_CHARACTERS:
        raise Refused("metadata_invalid", f"metadata may have {MAX_METADATA_CHARACTERS} characters as compact JSON")
    return text


def _depth_exceeds(value: Json, limit: int) -> bool:
    level: list[Json] = [value]
    for _ in range(limit + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
