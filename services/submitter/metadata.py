"""Metadata: the client's own JSON, kept as its text, so it is checked for what could not come back as it went in."""

import json
import math
from decimal import Decimal
from typing import Any, NoReturn

from services.kit.errors import Refused

MOST_CHARACTERS = 4096
DEEPEST = 8


def check_metadata(text: str) -> str:
    """Return `text` if it is JSON that every JSON reader gives back unchanged.

    Refused are: what is no JSON, NaN and infinities, numbers that a double does not hold, a key given twice, half a
    surrogate pair, more than 4096 characters, more than 8 levels.

    Raises:
        Refused: metadata_invalid.
    """
    if len(text) > MOST_CHARACTERS:
        _refuse(f"it has {len(text)} characters, at most {MOST_CHARACTERS} are kept")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_number,
            parse_constant=lambda name: _refuse(f"{name} is no JSON"),
        )
    except json.JSONDecodeError as error:
        _refuse(f"it is not JSON: {error.msg} at character {error.pos}")
    except RecursionError:
        _refuse(f"it is nested deeper than {DEEPEST} levels")
    _check_depth(value)
    return text


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        for text in level:
            if isinstance(text, str) and not _encodes(text):
                _refuse("a string holds half of a surrogate pair")
        level = [inner for outer in level for inner in _children(outer)]
        containers = any(isinstance(item, (dict, list)) for item in level)
        depth += 1
        if depth >= DEEPEST and containers:
            _refuse(f"it is nested deeper than {DEEPEST} levels")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        _refuse("a key comes twice in one object")
    return result


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse("a number is too large for a double")
    if Decimal(repr(number)) != Decimal(text):
        _refuse("a number has more digits than a double keeps; send it as a string")
    return number


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(why: str) -> NoReturn:
    raise Refused("metadata_invalid", f"metadata: {why}")
