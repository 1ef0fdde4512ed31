"""Wake-ups bring along what a reader would look for, unless it is large."""

from pydantic_core import from_json

from contracts.v1.image_query import Score
from contracts.v1.results import ResultsStored, StoredResult
from services.kit.store.documents import QueryDocument
from services.kit.store.layout import lift
from services.result_store.publishing import wake_ups
from tests.support.documents import NOW, make_answer, make_document


def told(document: QueryDocument) -> StoredResult:
    (event,) = wake_ups([document], NOW)
    assert isinstance(event.payload, ResultsStored)
    (result,) = event.payload.results
    return result


def answered(scores: int) -> QueryDocument:
    many = tuple(Score(label=f"a label {number}", score=0.001) for number in range(scores))
    answer = make_answer().model_copy(update={"scores": many})
    return make_document(state="answered").model_copy(update={"answer": answer, "answers": (answer,)})


def test_an_answered_document_goes_along_as_it_was_stored() -> None:
    document = answered(scores=4)
    whole = told(document).document
    assert whole is not None
    assert lift(from_json(whole)) == document


def test_a_large_document_does_not() -> None:
    result = told(answered(scores=1000))
    assert result.document is None
    assert result.has_answer


def test_of_many_at_once_none_goes_along() -> None:
    (event,) = wake_ups([answered(scores=4) for _ in range(9)], NOW)
    assert isinstance(event.payload, ResultsStored)
    assert [result.document for result in event.payload.results] == [None] * 9


def test_a_document_nobody_is_done_waiting_for_does_not() -> None:
    assert told(make_document(state="submitted")).document is None
