"""The checker can fail: each fault that it is there to find, fed to it as it would be stored or seen, is counted."""

from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from contracts.http.queries import Query, QueryError, Transition
from contracts.v1.results import State
from infra.drill.journal import MISSING, Intent, Record
from infra.drill.task import CORRUPT, LETHAL, label_of
from infra.drill.verdict import NUMBER, Counters, Rows, judge

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def stored(
    number: int,
    *states: State,
    label: str | None = None,
    attempts: int = 1,
    query_id: str = "",
    reason: str = CORRUPT,
) -> Query:
    """A stored query that went through `states`, its answer right unless a label is given."""
    state = states[-1]
    right = label_of(number) if state == "answered" else "UNCLEAR"
    return Query(
        id=query_id or f"iq_{number}",
        state=state,
        revision=len(states),
        label=label or right,
        error=QueryError(reason=reason) if state == "failed" else None,
        metadata={NUMBER: number},
        history=tuple(Transition(state=each, at=AT, revision=at) for at, each in enumerate(states, start=1)),
        attempts=attempts,
        created_at=AT,
        updated_at=AT,
    )


def record_of(count: int, *, planted: str = "") -> Record:
    """`count` questions, all acknowledged; number 1 is `planted` to fail."""
    record = Record()
    for number in range(count):
        record.intend(Intent(number=number, planted=planted if number == 1 else ""))
        record.acknowledge(number, f"iq_{number}", 0.0)
    return record


def good(count: int = 3) -> list[Query]:
    return [stored(number, "submitted", "answered", attempts=1 + (number == 0)) for number in range(count)]


def test_a_run_in_which_all_is_well_passes() -> None:
    findings = judge(record_of(3), good())
    assert findings.counters == Counters(attempted=3, acknowledged=3, answered=3, repeated=1)
    assert findings.problems(faults=True) == []


@pytest.mark.parametrize(
    ("counter", "changed"),
    [
        ("lost", [stored(1, "submitted")]),
        ("lost", []),
        ("unexpected", [stored(1, "submitted", "answered"), stored(77, "submitted", "answered")]),
        ("unexpected", [stored(1, "submitted", "answered"), stored(1, "submitted", "answered", query_id="iq_second")]),
        ("duplicated", [stored(1, "submitted", "answered", "answered")]),
        ("duplicated", [stored(1, "submitted", "failed", "answered")]),
        ("wrong", [stored(1, "submitted", "answered", label=label_of(2))]),
    ],
    ids=["not ended", "not stored", "nobody asked", "two ids", "ended twice", "failed, then answered", "wrong label"],
)
def test_each_fault_is_counted_and_fails_the_drill(counter: str, changed: list[Query]) -> None:
    queries = [query for query in good() if query.id != "iq_1"]
    findings = judge(record_of(3), [*queries, *changed])
    assert asdict(findings.counters)[counter] == 1
    assert sum(asdict(findings.counters)[name] for name in ("lost", "unexpected", "duplicated", "wrong")) == 1
    assert [line.split(":")[0] for line in findings.problems(faults=True)] == [counter]
    assert len(findings.examples[counter]) == 1


@pytest.mark.parametrize(("then", "counted"), [("submitted", 1), ("failed", 1), (MISSING, 1), ("answered", 0)])
def test_a_reader_who_saw_a_state_go_back_is_believed(then: str, counted: int) -> None:
    record = record_of(3)
    for state in ("submitted", "answered", then):
        record.see("iq_2", state)
    assert judge(record, good()).counters.duplicated == counted


def test_an_id_that_came_by_the_broker_alone_may_be_unknown_until_it_is_stored() -> None:
    record = record_of(3)
    record.intend(Intent(number=2, query_id="iq_2"))
    for state in (MISSING, "submitted", "answered"):
        record.see("iq_2", state)
    assert judge(record, good()).counters.duplicated == 0
    record.see("iq_2", MISSING)
    assert judge(record, good()).counters.duplicated == 1


def others() -> list[Query]:
    return [query for query in good() if query.id != "iq_1"]


@pytest.mark.parametrize("planted", [CORRUPT, LETHAL])
def test_what_is_planted_fails_with_its_reason_and_nothing_else_does(planted: str) -> None:
    failed = stored(1, "submitted", "failed", reason=planted)
    as_planted = judge(record_of(3, planted=planted), [*others(), failed])
    assert (as_planted.counters.failed, as_planted.planted) == (1, {planted: 1})
    assert as_planted.problems(faults=True) == []

    beyond = judge(record_of(3), [*others(), failed])
    assert (beyond.planted, len(beyond.problems(faults=True))) == ({}, 1)
    answered = judge(record_of(3, planted=planted), good())
    assert (answered.counters.wrong, len(answered.problems(faults=True))) == (1, 1)
    otherwise = judge(record_of(3, planted=planted), [*others(), stored(1, "submitted", "failed", reason="lost")])
    assert (otherwise.planted, len(otherwise.problems(faults=True))) == ({}, 1)


def searched(*states: State, query_id: str = "sr_3") -> Query:
    return stored(3, *states, query_id=query_id).model_copy(update={"kind": "search", "metadata": None})


def test_a_search_finds_what_it_found_before_the_faults() -> None:
    record = record_of(3)
    record.intend(Intent(number=3, search="pairs"))
    record.acknowledge(3, "sr_3", 0.0)
    ended = [*good(), searched("submitted", "running", "answered")]

    well = judge(record, ended, Rows(expected={"pairs": "a"}, found={"sr_3": "a"}))
    assert well.searches == Counters(attempted=1, acknowledged=1, answered=1)
    assert (well.counters.answered, well.counters.attempted) == (4, 4)
    assert well.problems(faults=True) == []
    for rows in (Rows(expected={"pairs": "a"}, found={"sr_3": "b"}), Rows(expected={"pairs": "a"}), Rows()):
        found = judge(record, ended, rows)
        assert (found.counters.wrong, found.searches.wrong, len(found.problems(faults=True))) == (1, 1, 1)
    assert judge(record, [*good(), searched("submitted", "running")]).searches.lost == 1
    assert judge(record, [*good(), searched("submitted", "failed")]).searches.failed == 1
    second = judge(record, [*ended, searched("submitted", "answered", query_id="sr_4")])
    assert (second.counters.unexpected, second.searches.unexpected) == (1, 1)


def test_a_drill_that_repeated_no_work_shows_nothing() -> None:
    queries = [query.model_copy(update={"attempts": 1}) for query in good()]
    findings = judge(record_of(3), queries)
    assert len(findings.problems(faults=True)) == 1
    assert findings.problems(faults=False) == []


def test_a_question_whose_client_was_gone_may_be_answered_or_not() -> None:
    record = record_of(2)
    record.intend(Intent(number=2))
    record.intend(Intent(number=3))
    findings = judge(record, good(3))
    assert (findings.counters.attempted, findings.counters.acknowledged, findings.recovered) == (4, 2, 1)
    assert findings.problems(faults=True) == []


def test_an_id_minted_here_is_known_without_its_metadata() -> None:
    record = record_of(1)
    record.intend(Intent(number=1, query_id="iq_minted"))
    minted = stored(1, "answered", query_id="iq_minted").model_copy(update={"metadata": None})
    findings = judge(record, [*good(1), minted])
    assert findings.counters == replace(findings.counters, unexpected=0, wrong=0, answered=2)
