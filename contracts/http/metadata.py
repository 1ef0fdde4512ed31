"""What metadata of a client's may be: one rule for the platform and for what checks files before they are sent."""

import json
from collections.abc import Iterable

from contracts.http.base import Json

_MOST_CHARACTERS = 4096
_MOST_LEVELS = 32


def metadata_text(value: Json) -> str:
    """Return the JSON as text to keep.

    Raises:
        ValueError: it is too large, too deep, or cannot be written as JSON in UTF-8; the text is for a person.
    """
    if _depth_exceeds(value, _MOST_LEVELS):
        raise ValueError(f"metadata may be nested {_MOST_LEVELS} levels deep")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("metadata holds half of a surrogate pair, which is not text") from None
    except ValueError:
        raise ValueError("metadata holds a number that JSON does not have") from None
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"metadata may have {_MOST_CHARACTERS} characters as compact JSON")
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
