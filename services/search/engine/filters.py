"""Filters on metadata: expressions of key, operator and values, all or any of which must hold.

What is equal and what is less (docs/search.md): two numbers are compared as numbers, and text that spells a number
is one; true and false are the same in whatever case they are written; everything else is text, compared exactly and
ordered by code points. A number is not less than a text. A record without the key, or with null, a list or an object
there, satisfies no expression on it, not even `!=`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from services.kit.errors import Refused

Operator = Literal["=", "!=", ">", "<", ">=", "<=", "between", "in", "not in"]
Scalar = str | int | float | bool
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_BOOLEANS = frozenset({"true", "false"})


@dataclass(frozen=True, slots=True)
class Expression:
    """One condition on the value of a key."""

    key: str
    operator: Operator
    values: tuple[Scalar, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Say whether metadata satisfies it."""
        value = metadata.get(self.key)
        return isinstance(value, Scalar) and _TESTS[self.operator](value, self.values)


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """Expressions of which all must hold, or any of them."""

    expressions: tuple[Expression, ...]
    every: bool = True

    @property
    def keys(self) -> frozenset[str]:
        """The keys that it asks for."""
        return frozenset(expression.key for expression in self.expressions)

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Say whether metadata passes."""
        found = (expression.matches(metadata) for expression in self.expressions)
        return all(found) if self.every else any(found)

    def matches_json(self, text: str) -> bool:
        """Say whether metadata, as stored, passes; what is no object has no keys."""
        metadata = json.loads(text)
        return self.matches(metadata if isinstance(metadata, dict) else {})


def read_filter(given: object) -> MetadataFilter | None:
    """Read a filter in each form that clients send; None when it lets everything through.

    The forms are None, `{}`, `{"logical_operator": "AND" | "OR", "expressions": [...]}` and a bare list of
    expressions, all of which must hold.

    Raises:
        Refused: `invalid_parameter`, saying what is wrong in words for a person.
    """
    operator: object = "AND"
    expressions: object = given
    if isinstance(given, Mapping):
        operator = given.get("logical_operator") or "AND"
        expressions = given.get("expressions")
    if expressions is None:
        expressions = ()
    if not isinstance(operator, str) or operator.upper() not in {"AND", "OR"}:
        raise _refused(f"the logical operator of a metadata filter is AND or OR, not {_shown(operator)}")
    if isinstance(expressions, str) or not isinstance(expressions, Sequence):
        raise _refused("a metadata filter is an object with expressions, or a list of them")
    if not expressions:
        return None
    return MetadataFilter(tuple(_read_expression(each) for each in expressions), operator.upper() == "AND")


def _read_expression(given: object) -> Expression:
    if not isinstance(given, Mapping):
        raise _refused("an expression of a metadata filter is an object with key, operator and values")
    key, operator, values = given.get("key"), given.get("operator"), given.get("values")
    if not isinstance(key, str) or not key:
        raise _refused("an expression of a metadata filter has no key")
    if operator not in OPERATORS:
        raise _refused(f"the operators of metadata filters are {', '.join(OPERATORS)}; {_shown(operator)} is not")
    listed = values if isinstance(values, list | tuple) else (values,)
    found = tuple(value for value in listed if isinstance(value, Scalar))
    if len(found) < len(listed):
        raise _refused(f"the values for the key {_shown(key)} must be text, numbers, true or false")
    least, most = _COUNTS.get(operator, (1, 1))
    if not least <= len(found) <= most:
        wanted = "two values" if least == 2 else "one value" if most == 1 else "at least one value"
        raise _refused(f"{operator} takes {wanted}; the key {_shown(key)} has {len(found)}")
    return Expression(key, operator, found)


def _number(value: Scalar) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _INTEGER.fullmatch(value):
            return int(value)
        value = float(value) if _NUMBER.fullmatch(value) else math.nan
    return value if math.isfinite(value) else None


def _equal(value: Scalar, wanted: Scalar) -> bool:
    number, other = _number(value), _number(wanted)
    if number is not None and other is not None:
        return number == other
    text, other_text = str(value), str(wanted)
    if text.lower() in _BOOLEANS:
        return text.lower() == other_text.lower()
    return text == other_text


def _order(value: Scalar, wanted: Scalar) -> int | None:
    """Return -1, 0 or 1, or None when one is not before or after the other."""
    number, other = _number(value), _number(wanted)
    if number is not None and other is not None:
        return (number > other) - (number < other)
    if number is not None or other is not None or isinstance(value, bool) or isinstance(wanted, bool):
        return None
    text, other_text = str(value), str(wanted)
    return (text > other_text) - (text < other_text)


_Values = Sequence[Scalar]
_TESTS: Mapping[Operator, Callable[[Scalar, _Values], bool]] = {
    "=": lambda value, wanted: _equal(value, wanted[0]),
    "!=": lambda value, wanted: not _equal(value, wanted[0]),
    ">": lambda value, wanted: _order(value, wanted[0]) == 1,
    "<": lambda value, wanted: _order(value, wanted[0]) == -1,
    ">=": lambda value, wanted: _order(value, wanted[0]) in {0, 1},
    "<=": lambda value, wanted: _order(value, wanted[0]) in {0, -1},
    "between": lambda value, wanted: _order(value, wanted[0]) in {0, 1} and _order(value, wanted[1]) in {0, -1},
    "in": lambda value, wanted: any(_equal(value, each) for each in wanted),
    "not in": lambda value, wanted: not any(_equal(value, each) for each in wanted),
}
_COUNTS: Mapping[object, tuple[int, int]] = {"between": (2, 2), "in": (1, 1000), "not in": (1, 1000)}


def _refused(detail: str) -> Refused:
    return Refused("invalid_parameter", detail)


def _shown(value: object) -> str:
    """A value of the client's in a message: short, and on one line."""
    return json.dumps(value, default=str)[:60]
