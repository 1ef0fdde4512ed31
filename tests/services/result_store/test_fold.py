"""The fold: laws that hold for any order and any repetition of facts."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import new_id
from contracts.v1.image_query import Image, ImageAnswer, ImageQuerySubmitted
from contracts.v1.label import LabelAdded
from contracts.v1.query import QueryCancelled, QueryErased, QueryExpired, QueryFailed, QueryHeld
from services.kit.store.documents import QueryDocument, QueryKey
from services.result_store.facts import Fact, Happening
from services.result_store.fold import fold

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
RETENTION = timedelta(days=30)
QUERY_ID = new_id("iq", START)
KEY = QueryKey("acme", QUERY_ID)
DETECTOR_ID = new_id("det", START)
SHA = "a" * 64
ENDS = ("answered", "failed", "cancelled", "expired")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fact(what: Happening, seconds: float, fact_id: str = "", contract: str = "") -> Fact:
    return Fact(KEY, fact_id or f"{type(what).__name__}{seconds}", at(seconds), what, contract=contract)


def submitted(**given: object) -> Fact:
    payload = ImageQuerySubmitted.model_validate(
        {
            "query_id": QUERY_ID,
            "detector_id": DETECTOR_ID,
            "image": {"sha256": SHA, "size_bytes": 3, "media_type": "image/jpeg", "data": b"abc"},
            "submitted_at": at(0),
            **given,
        }
    )
    return fact(payload, 0, contract="image_query.submitted.v1")


def answered(number: int = 1, seconds: float = 1.0, **given: object) -> Fact:
    answer = ImageAnswer.model_validate(
        {
            "query_id": QUERY_ID,
            "answer_id": f"ans_{number:027d}",
            "label": "YES",
            "confidence": 0.95,
            "model_name": "door",
            "model_digest": "b" * 64,
            "answered_at": at(seconds),
            "submitted_at": at(0),
            **given,
        }
    )
    return Fact(KEY, answer.answer_id, answer.answered_at, answer, contract="image_query.answered.v1")


def labelled(number: int = 1, seconds: float = 2.0, label: str = "NO") -> Fact:
    return fact(
        LabelAdded(query_id=QUERY_ID, label_id=f"lbl_{number:027d}", label=label, labelled_at=at(seconds)), seconds
    )


def failed(seconds: float = 3.0) -> Fact:
    return fact(QueryFailed(query_id=QUERY_ID, reason="model_failed", attempts=2, failed_at=at(seconds)), seconds)


def cancelled(seconds: float = 4.0) -> Fact:
    return fact(QueryCancelled(query_id=QUERY_ID, cancelled_at=at(seconds)), seconds)


def expired(seconds: float = 5.0) -> Fact:
    return fact(QueryExpired(query_id=QUERY_ID, expired_at=at(seconds)), seconds)


def held() -> Fact:
    return fact(QueryHeld(query_id=QUERY_ID, reason="no_model", held_at=at(0.5)), 0.5)


def erased() -> Fact:
    return fact(QueryErased(query_id=QUERY_ID, erased_at=at(6)), 6)


def fold_all(*facts: Fact, document: QueryDocument | None = None) -> QueryDocument | None:
    for item in facts:
        document = fold(document, item, retention=RETENTION)
    return document


def known(*facts: Fact) -> QueryDocument:
    document = fold_all(*facts)
    assert document is not None
    return document


def essence(document: QueryDocument) -> dict[str, object]:
    """What must not depend on the order of facts: all but the count of steps and their record."""
    return document.model_dump(exclude={"revision", "history"})


def ends(document: QueryDocument) -> int:
    return sum(step.state in ENDS for step in document.history)


def test_a_submission_becomes_a_document_without_the_image_bytes() -> None:
    document = known(submitted(metadata_json='{"a": 1.0}'))
    assert (document.state, document.revision, document.created_at) == ("submitted", 1, at(0))
    assert document.image_request is not None
    assert document.image_request.image == Image(sha256=SHA, size_bytes=3, media_type="image/jpeg")
    assert document.image_request.metadata_json == '{"a": 1.0}'
    assert document.expires_at == at(0) + RETENTION
    assert [step.state for step in document.history] == ["submitted"]
    assert document.lineage == ("image_query.submitted.v1",)


def test_an_answer_ends_the_query_once() -> None:
    document = known(submitted(), answered(), answered(), answered(2, 9.0))
    assert (document.state, ends(document)) == ("answered", 1)
    assert document.answer is not None
    assert document.answer.id == f"ans_{1:027d}"
    assert len(document.answers) == 2
    assert document.confident


@pytest.mark.parametrize("order", list(permutations([submitted(), answered(), labelled(), held()])))
def test_order_changes_nothing(order: tuple[Fact, ...]) -> None:
    straight = known(submitted(), answered(), labelled(), held())
    document = known(*order)
    assert essence(document) == essence(straight)
    assert ends(document) == 1


FACTS = st.lists(
    st.sampled_from([submitted(), answered(), answered(2, 1.5), labelled(), labelled(2, 8.0, "YES"), held()]),
    min_size=1,
    max_size=14,
)
ANY_FACTS = st.lists(
    st.sampled_from(
        [
            submitted(),
            answered(),
            answered(2, 1.5),
            answered(3, 7.0, replay=1),
            labelled(),
            failed(),
            cancelled(),
            expired(),
            held(),
        ]
    ),
    max_size=20,
)


@given(FACTS, st.randoms())
def test_duplicates_and_order_change_nothing_without_competing_answers(facts: list[Fact], random: object) -> None:
    once = [item for number, item in enumerate(facts) if item not in facts[:number]]
    models = [item for item in once if item.id.startswith("ans_")]
    if len(models) > 1:  # which of two first answers of models came first is not a matter of order alone
        facts = [item for item in facts if item != models[1]]
        once.remove(models[1])
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert essence(known(*shuffled)) == essence(known(*once))


@given(ANY_FACTS)
def test_a_state_ends_at_most_once_and_never_goes_back(facts: list[Fact]) -> None:
    document: QueryDocument | None = None
    seen = None
    for item in facts:
        before = document
        document = fold(document, item, retention=RETENTION)
        if document is None:
            continue
        assert document.revision == (before.revision if before else 0) + (document is not before)
        if seen is not None:
            assert document.state == seen
        seen = document.state if document.ended else None
        assert ends(document) == int(document.ended)


@given(ANY_FACTS)
def test_folding_everything_again_changes_nothing(facts: list[Fact]) -> None:
    document = fold_all(*facts)
    assert fold_all(*facts, document=document) is document


@given(ANY_FACTS)
def test_answers_are_append_only(facts: list[Fact]) -> None:
    document: QueryDocument | None = None
    answers: set[str] = set()
    for item in facts:
        document = fold(document, item, retention=RETENTION)
        if document is not None:
            now = {answer.id for answer in document.answers}
            assert answers <= now
            answers = now


@pytest.mark.parametrize("end", [failed(), cancelled(), expired(), answered()])
def test_a_label_is_accepted_in_every_state_and_never_changes_it(end: Fact) -> None:
    document = known(submitted(), end)
    with_label = known(submitted(), end, labelled())
    assert with_label.state == document.state
    assert with_label.answer is not None
    assert (with_label.answer.source, with_label.answer.label) == ("person", "NO")
    assert with_label.confident
    assert with_label.expires_at is None


def test_a_label_alone_leaves_the_state_open() -> None:
    document = known(submitted(), labelled())
    assert document.state == "submitted"
    assert document.answer is not None


@pytest.mark.parametrize(
    "order", list(permutations([labelled(1, 2.0, "NO"), labelled(2, 8.0, "YES"), answered(1, 9.0)]))
)
def test_the_later_label_counts_and_no_model_outranks_it(order: tuple[Fact, ...]) -> None:
    document = known(submitted(), *order)
    assert document.answer is not None
    assert document.answer.label == "YES"
    assert document.answer.source == "person"


def test_a_surer_answer_does_not_displace_the_first() -> None:
    document = known(submitted(), answered(1, 1.0, confidence=0.6), answered(2, 2.0, confidence=0.99, label="NO"))
    assert document.answer is not None
    assert document.answer.confidence == 0.6


def test_an_explicit_replay_outranks_earlier_models() -> None:
    document = known(submitted(), answered(1, 1.0), answered(2, 2.0, label="NO", replay=1), answered(3, 3.0))
    assert document.answer is not None
    assert document.answer.label == "NO"
    assert ends(document) == 1


def test_an_answer_past_its_expiry_is_dropped() -> None:
    late = answered(1, 11.0, expires_at=at(10))
    assert fold(None, late, retention=RETENTION) is None
    assert known(submitted(), late).state == "submitted"


def test_a_second_question_under_a_taken_id_does_not_replace_the_first() -> None:
    document = known(submitted(), submitted(confidence_threshold=0.1))
    assert document.image_request is not None
    assert document.image_request.confidence_threshold == 0.9
    assert document.revision == 1


def test_a_failure_without_the_submission_is_known_and_dated_by_its_id() -> None:
    document = known(failed())
    assert (document.state, document.attempts, document.created_at) == ("failed", 2, at(0))
    assert document.error is not None
    assert document.error.reason == "model_failed"


@pytest.mark.parametrize("late", [submitted(), answered(9), labelled(9), failed(), held()])
def test_what_is_erased_stays_erased(late: Fact) -> None:
    document = known(submitted(), answered(), labelled(), erased())
    assert document.request is None
    assert (document.answers, document.answer) == ((), None)
    assert document.erased_at == at(6)
    assert document.expires_at == at(6) + RETENTION
    assert fold(document, late, retention=RETENTION) is document


def test_what_is_erased_while_open_ends_cancelled() -> None:
    document = known(submitted(), erased())
    assert (document.state, ends(document)) == ("cancelled", 1)


def test_holding_is_said_and_ends_with_an_answer() -> None:
    assert known(submitted(), held()).held == "no_model"
    assert known(submitted(), held(), answered()).held is None
    assert known(submitted(), answered(), held()).held is None
