"""The fold of a search: whatever order its facts come in, it ends once, with every part counted once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.v1.query import QueryCancelled
from contracts.v1.search import SearchCompleted, SearchPart, SearchPartDone, SearchSubmitted
from services.kit.store.documents import QueryDocument, QueryKey
from services.result_store.facts import Fact, Happening
from services.result_store.fold import fold

ID = "sr_00EHX2Lp8VzQx3RkTnYbWc5GhJd"
AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
RETENTION = timedelta(days=30)
SUBMITTED = SearchSubmitted(query_id=ID, search_type="ephemeris", query_json="{}", submitted_at=AT)
COMPLETED = SearchCompleted(query_id=ID, parts=3, rows=6, size_bytes=60, completed_at=AT + timedelta(seconds=9))


def done(part: int) -> SearchPartDone:
    asked = SearchPart(
        query_id=ID,
        search_type="ephemeris",
        query_json="{}",
        submitted_at=AT,
        part=part,
        parts=3,
        stride=1,
        days=1,
        start=AT,
        end=AT,
    )
    at = AT + timedelta(seconds=part)
    return SearchPartDone(query_id=ID, asked=asked, rows=part, size_bytes=10 * part, worked_s=0.1, done_at=at)


def folded(*happenings: Happening) -> QueryDocument:
    document: QueryDocument | None = None
    for number, what in enumerate(happenings):
        document = fold(document, Fact(QueryKey("acme", ID), f"fact{number}", AT, what), retention=RETENTION)
    assert document is not None
    return document


@given(st.permutations([SUBMITTED, done(1), done(1), done(2), done(3), COMPLETED, COMPLETED]))
def test_order_and_repetition_change_nothing(facts: list[Happening]) -> None:
    document = folded(*facts)
    assert (document.kind, document.state, document.request) == ("search", "answered", SUBMITTED)
    assert document.search is not None
    assert (document.search.parts, document.search.done) == (3, (1, 2, 3))
    assert (document.search.rows, document.search.size_bytes) == (6, 60)
    assert [t.state for t in document.history].count("answered") == 1


def test_parts_count_once_and_make_the_search_run() -> None:
    document = folded(SUBMITTED, done(2), done(2), done(1))
    assert document.state == "running"
    assert document.search is not None
    assert (document.search.done, document.search.rows) == ((1, 2), 3)


def test_a_part_that_was_handed_out_again_shows_in_the_attempts_of_its_search() -> None:
    again = done(1).model_copy(update={"attempt": 3})
    assert folded(SUBMITTED, done(2)).attempts == 1
    assert folded(SUBMITTED, again, done(2), COMPLETED).attempts == 3
    assert folded(SUBMITTED, done(1), COMPLETED.model_copy(update={"attempt": 2})).attempts == 2


def test_a_cancelled_search_takes_no_part_and_no_completion() -> None:
    cancelled = QueryCancelled(query_id=ID, cancelled_at=AT)
    document = folded(SUBMITTED, done(1), cancelled)
    assert folded(SUBMITTED, done(1), cancelled, done(2), COMPLETED) == document
    assert document.state == "cancelled"
