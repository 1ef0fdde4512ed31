"""What a metadata filter lets through."""

import json
from typing import Any

import pytest

from services.kit.errors import Refused
from services.search.engine.filters import OPERATORS, read_filter


def passes(value: Any, operator: str, *values: Any) -> bool:
    found = read_filter([{"key": "k", "operator": operator, "values": list(values)}])
    assert found is not None
    return found.matches({"k": value, "other": 1})


@pytest.mark.parametrize(
    ("value", "operator", "values", "expected"),
    [
        ("cloudy", "=", ["cloudy"], True),
        ("cloudy", "=", ["Cloudy"], False),
        (95, "=", ["95"], True),
        ("95.0", "=", [95], True),
        ("1e2", "=", ["100"], True),
        ("9 5", "=", ["95"], False),
        (2**53 + 1, "=", [str(2**53)], False),
        (True, "=", ["True"], True),
        (True, "=", ["false"], False),
        ("TRUE", "=", [True], True),
        (True, "=", [1], False),
        (1, "=", ["true"], False),
        ("", "=", [""], True),
        ("cloudy", "!=", ["clear"], True),
        (95, "!=", ["95.0"], False),
        (80, ">", ["75"], True),
        (80, ">", ["80"], False),
        ("80", ">=", [80], True),
        (9, "<", ["10"], True),
        ("9", "<", ["10"], True),
        ("a9", "<", ["a10"], False),
        (9, "<=", [9.0], True),
        (9, ">", ["abc"], False),
        ("abc", ">", [9], False),
        (True, ">", [False], False),
        ("2020-01-02", ">", ["2020-01-01"], True),
        (80, "between", [75, 90], True),
        (75, "between", ["75", "90"], True),
        (90, "between", [75, 90], True),
        (90.1, "between", [75, 90], False),
        (80, "between", [90, 75], False),
        ("b", "between", ["a", "c"], True),
        ("x", "in", ["y", "x"], True),
        (5, "in", ["4", "5.0"], True),
        ("x", "in", ["y"], False),
        ("x", "not in", ["y", "z"], True),
        (5, "not in", ["5"], False),
        ("nan", "=", ["nan"], True),
        ("inf", ">", ["1"], False),
        ("1_000", "=", [1000], False),
        ("9" * 5000, ">", ["1"], False),
        ("\ud800", "=", ["\ud800"], True),
    ],
)
def test_expressions(value: Any, operator: str, values: list[Any], *, expected: bool) -> None:
    assert passes(value, operator, *values) is expected


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_what_has_no_value_satisfies_no_expression(value: Any, operator: str) -> None:
    values = ["1", "2"] if operator == "between" else ["1"]
    assert not passes(value, operator, *values)
    found = read_filter([{"key": "missing", "operator": operator, "values": values}])
    assert found is not None
    assert not found.matches({"k": 1})


A, B = {"key": "a", "operator": "=", "values": ["1"]}, {"key": "b", "operator": "=", "values": ["2"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"logical_operator": "AND", "expressions": [A, B]}, [False, False, True]),
        ({"logical_operator": "or", "expressions": [A, B]}, [True, True, True]),
        ({"expressions": [A, B]}, [False, False, True]),
        ([A, B], [False, False, True]),
        ([A], [True, False, True]),
        ({"key": "x", "expressions": [{"key": "a", "operator": "=", "values": "1"}]}, [True, False, True]),
    ],
)
def test_all_or_any_of_the_expressions_hold(given: Any, expected: list[bool]) -> None:
    found = read_filter(given)
    assert found is not None
    assert [found.matches(metadata) for metadata in ({"a": 1}, {"b": 2}, {"a": 1, "b": 2})] == expected


@pytest.mark.parametrize("given", [None, {}, [], {"expressions": []}, {"expressions": None, "logical_operator": None}])
def test_an_empty_filter_lets_everything_through(given: Any) -> None:
    assert read_filter(given) is None


def test_the_keys_of_a_filter_are_known_before_it_runs() -> None:
    found = read_filter([A, B, A])
    assert found is not None
    assert found.keys == {"a", "b"}


def test_metadata_that_is_no_object_has_no_keys() -> None:
    found = read_filter([A])
    assert found is not None
    assert [found.matches_json(json.dumps(value)) for value in ({"a": 1}, [1], "a", None)] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("text", "an object with expressions"),
        (5, "an object with expressions"),
        ({"expressions": {"key": "a"}}, "an object with expressions"),
        ({"expressions": "a"}, "an object with expressions"),
        ({"expressions": [A], "logical_operator": "XOR"}, 'AND or OR, not "XOR"'),
        ({"expressions": [A], "logical_operator": 7}, "AND or OR"),
        (["a"], "an object with key"),
        ([{"operator": "=", "values": [1]}], "has no key"),
        ([{"key": 7, "operator": "=", "values": [1]}], "has no key"),
        ([{"key": "a", "operator": "like", "values": [1]}], '"like" is not'),
        ([{"key": "a", "operator": ["="], "values": [1]}], "is not"),
        ([{"key": "a", "operator": {}, "values": [1]}], "is not"),
        ([{"key": "a", "operator": "=", "values": []}], "takes one value"),
        ([{"key": "a", "operator": "=", "values": [1, 2]}], "takes one value"),
        ([{"key": "a", "operator": "between", "values": [1]}], "takes two values"),
        ([{"key": "a", "operator": "in", "values": []}], "at least one value"),
        ([{"key": "a", "operator": "="}], "must be text"),
        ([{"key": "a", "operator": "=", "values": [[[[1]]]]}], "must be text"),
        ([{"key": "a", "operator": "=", "values": [None]}], "must be text"),
    ],
)
def test_what_is_no_filter_is_refused_in_words(given: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        read_filter(given)
