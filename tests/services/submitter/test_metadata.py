"""Metadata: what is taken comes back as it went in; everything else is refused."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.http.queries import Query
from services.kit.errors import Refused
from services.kit.store.documents import QueryDocument
from services.kit.view import to_query
from services.submitter.metadata import DEEPEST, MOST_CHARACTERS, check_metadata
from tests.support.documents import make_document

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def given_back(text: str) -> Any:
    """What a reader gets of metadata that was kept as `text`."""
    document: QueryDocument = make_document(metadata_json=text)
    return json.loads(to_query(document).model_dump_json())["metadata"]


def refusal_of(text: str) -> Refused | None:
    """The refusal of `text`, None when it is taken."""
    try:
        check_metadata(text)
    except Refused as refused:
        return refused
    return None


def nested(levels: int) -> str:
    """Arrays inside each other."""
    return "[" * levels + "]" * levels


@given(JSON)
def test_any_json_is_taken_and_comes_back_as_it_was(value: Any) -> None:
    text = json.dumps(value, allow_nan=False)
    refused = refusal_of(text)
    if refused is None:
        assert json.dumps(given_back(text)) == text
    else:
        assert "levels" in refused.detail


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    refused = refusal_of(text)
    if refused is None:
        Query.model_validate_json(to_query(make_document(metadata_json=text)).model_dump_json())
    else:
        assert refused.code == "metadata_invalid"


@pytest.mark.parametrize(
    "text", ["null", '""', "1.0", "1e308", '{"$gt": {"a.b": ""}}', '"\\u0000"', '"\N{PILE OF POO}"', '" \u202e\u200d"']
)
def test_unusual_json_is_taken(text: str) -> None:
    assert check_metadata(text) == text


def test_the_limits_are_exact() -> None:
    check_metadata('"' + "x" * (MOST_CHARACTERS - 2) + '"')
    check_metadata(nested(DEEPEST))
    check_metadata('{"a":' * (DEEPEST - 1) + "[1]" + "}" * (DEEPEST - 1))
    for text in ('"' + "x" * (MOST_CHARACTERS - 1) + '"', nested(DEEPEST + 1), nested(MOST_CHARACTERS // 2)):
        with pytest.raises(Refused, match="metadata_invalid"):
            check_metadata(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ("1 2", "not JSON"),
        ("\ufeff{}", "not JSON"),
        ('"a\nb"', "not JSON"),
        ("NaN", "NaN"),
        ('{"a": [-Infinity]}', "-Infinity"),
        ("1e999", "too large"),
        (r'"\ud800"', "surrogate"),
        (r'[{"\udc00": 1}]', "surrogate"),
        (nested(7) + '"', "not JSON"),
        ('{"a": 1, "a": 2}', "twice"),
    ],
)
def test_what_could_not_come_back_is_refused(text: str, word: str) -> None:
    with pytest.raises(Refused, match=word) as caught:
        check_metadata(text)
    assert caught.value.code == "metadata_invalid"


@pytest.mark.parametrize("number", ["0.12345678901234567890", "12345678901234567890.5", "1e-400", "9007199254740993.0"])
def test_a_number_that_would_come_back_as_another_is_refused(number: str) -> None:
    with pytest.raises(Refused) as caught:
        check_metadata(f'{{"n": {number}}}')
    assert caught.value.code == "metadata_invalid"
    assert "as a string" in caught.value.detail


@pytest.mark.parametrize("number", ["0.1", "1.0", "-0.0", "1E5", "1e-300", "3.14159", "123456789012345678901234567890"])
def test_a_number_that_comes_back_equal_is_kept(number: str) -> None:
    assert check_metadata(number) == number
    assert Decimal(json.dumps(json.loads(number))) == Decimal(number)
