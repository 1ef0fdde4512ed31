"""The checker can fail: each fault that it is there to find, fed to it as it would be stored or seen, is counted."""

from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from contracts.http.queries import Query, QueryError, Transition
from contracts.v1.results import State
from infra.drill.journal import MISSING, Intent, Record
from infra.drill.task import label_of
from infra.drill.verdict import NUMBER, Counters, judge

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def stored(number: int, *states: State, label: str | None = None, attempts: int = 1, query_id: str = "") -> Query:
    """A stored query that went through `states`, its answer right unless a label is given."""
    state = states[-1]
    right = label_of(number) if state == "answered" else "UNCLEAR"
    return Query(
        id=query_id or f"iq_{number}",
        state=state,
        revision=len(states),
        label=label or right,
        error=QueryError(reason="image_corrupt") if state == "failed" else None,
        metadata={NUMBER: number},
        history=tuple(Transition(state=each, at=AT, revision=at) for at, each in enumerate(states, start=1)),
        attempts=attempts,
        created_at=AT,
        updated_at=AT,
    )


def record_of(count: int, *, poison: int | None = None) -> Record:
    """`count` questions, all acknowledged."""
    record = Record()
    for number in range(count):
        record.intend(Intent(number=number, poison=number == poison))
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


def test_planted_poison_may_fail_and_nothing_else() -> None:
    failed = stored(1, "submitted", "failed")
    queries = [query for query in good() if query.id != "iq_1"]
    planted = judge(record_of(3, poison=1), [*queries, failed])
    assert (planted.counters.failed, planted.planted, planted.problems(faults=True)) == (1, 1, [])
    other = judge(record_of(3), [*queries, failed])
    assert len(other.problems(faults=True)) == 1
    answered = judge(record_of(3, poison=1), good())
    assert answered.counters.wrong == 1


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
