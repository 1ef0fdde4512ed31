"""The fold: one pure function from a document and a fact to the next document.

Facts may come twice, late, or before the submission's record. `state` ends once, by the first end that is folded;
apart from which of several competing ends came first, order and duplicates change nothing.
"""

from datetime import UTC, datetime, timedelta

from contracts.ids import id_time
from contracts.kinds import kind_of
from contracts.v1.image_query import ImageAnswer, ImageQuerySubmitted
from contracts.v1.label import LabelAdded
from contracts.v1.query import QueryCancelled, QueryErased, QueryExpired, QueryFailed, QueryHeld
from contracts.v1.results import State
from contracts.v1.search import SearchCompleted, SearchPartDone, SearchSubmitted
from services.kit.store.documents import AnswerRecord, Failure, QueryDocument, SearchProgress, Submitted, Transition
from services.result_store.facts import Fact, Happening, Queued, Released, Republished

_Changes = dict[str, object]
_LATEST = datetime.max.replace(tzinfo=UTC)
"""West of Greenwich there are later times, which no store can give back."""


def fold(document: QueryDocument | None, fact: Fact, *, retention: timedelta) -> QueryDocument | None:
    """Return the document after `fact`; the very same object (or None) when the fact changes nothing.

    A new document begins at revision 1, and each fact that changes something adds one.
    """
    if document is not None and document.erased_at is not None:
        return document
    current = document or _blank(fact, retention)
    changes = _changes(current, fact.what, fact, retention)
    if changes is None:
        return document
    lineage = {*current.lineage, fact.contract} - {""}
    changes |= {
        "revision": current.revision + 1,
        "updated_at": max(current.updated_at, fact.at),
        "lineage": tuple(sorted(lineage)),
    }
    after = _erased(current, fact.what, fact, retention) if isinstance(fact.what, QueryErased) else current
    return after.model_copy(update=changes)


def expiry_of(question: Submitted, retention: timedelta) -> datetime:
    """Return until when a query and its image are kept, unless a label keeps them for ever."""
    return min(question.retain_until or _later(question.submitted_at, retention), _LATEST)


def _later(at: datetime, by: timedelta) -> datetime:
    try:
        return min(at + by, _LATEST)
    except OverflowError:  # a device's clock may say anything
        return _LATEST


def _changes(  # noqa: C901, PLR0911, PLR0912 - one flat branch per kind of fact
    current: QueryDocument, what: Happening, fact: Fact, retention: timedelta
) -> _Changes | None:
    """Return what is different after a fact, by the names of fields; None when it changes nothing."""
    match what:
        case ImageQuerySubmitted():
            request = what.model_copy(update={"image": what.image.model_copy(update={"data": None})})
            return _submitted(current, request, fact, retention)
        case ImageAnswer():
            return _answered(current, what, fact)
        case SearchSubmitted():
            return _submitted(current, what, fact, retention)
        case SearchPartDone():
            return _part_done(current, what, fact)
        case SearchCompleted():
            whole = SearchProgress(
                parts=what.parts,
                done=tuple(range(1, what.parts + 1)),
                rows=what.rows,
                size_bytes=what.size_bytes,
            )
            attempts = max(current.attempts, what.attempt)
            return _end(current, "answered", what.completed_at, fact, search=whole, attempts=attempts)
        case LabelAdded():
            return _labelled(current, what)
        case QueryFailed():
            failure = Failure(reason=what.reason, detail=what.detail)
            attempts = max(current.attempts, what.attempts)
            return _end(current, "failed", what.failed_at, fact, error=failure, attempts=attempts)
        case QueryCancelled():
            return _end(current, "cancelled", what.cancelled_at, fact)
        case QueryExpired():
            return _end(current, "expired", what.expired_at, fact)
        case QueryHeld():
            return {"held": what.reason} if not current.ended and current.held != what.reason else None
        case Released():
            return {"held": None} if current.held is not None else None
        case Republished():
            stale = current.ended or current.sweeps != what.before
            return None if stale else {"sweeps": current.sweeps + 1}
        case Queued():
            return None if current.ended or what.at <= current.updated_at else {}
        case QueryErased():
            return {}  # beside what `_erased` leaves


def _blank(fact: Fact, retention: timedelta) -> QueryDocument:
    """Return what is known of a query of which this fact is the first word; revision 0 is never stored."""
    created_at = id_time(fact.key.id) or fact.at
    kind = kind_of(fact.key.id)
    return QueryDocument(
        id=fact.key.id,
        tenant=fact.key.tenant,
        kind=kind.name if kind is not None else "image_query",
        lane=fact.lane,
        revision=0,
        created_at=created_at,
        updated_at=fact.at,
        expires_at=_later(created_at, retention),
    )


def _submitted(current: QueryDocument, what: Submitted, fact: Fact, retention: timedelta) -> _Changes | None:
    if current.request is not None:
        return None  # a repeat, or another question under a taken ID: the first stands
    kept = current.expires_at is None  # a label came first
    changes: _Changes = {
        "request": what,
        "lane": fact.lane,
        "created_at": what.submitted_at,
        "expires_at": None if kept else expiry_of(what, retention),
    }
    if not current.history:
        changes["history"] = (_transition(current, "submitted", what.submitted_at, fact),)
    return changes


def _part_done(current: QueryDocument, what: SearchPartDone, fact: Fact) -> _Changes | None:
    """Count a part once; a search that has ended stays as it ended."""
    progress = current.search or SearchProgress(parts=what.asked.parts)
    if current.ended or what.asked.part in progress.done:
        return None
    progress = SearchProgress(
        parts=progress.parts,
        done=tuple(sorted((*progress.done, what.asked.part))),
        rows=progress.rows + what.rows,
        size_bytes=progress.size_bytes + what.size_bytes,
    )
    # Whoever makes progress is not lost: the sweeper counts its tries anew.
    changes: _Changes = {"search": progress, "sweeps": 0, "attempts": max(current.attempts, what.attempt)}
    if current.state == "submitted":
        history = (*current.history, _transition(current, "running", what.done_at, fact))
        changes |= {"state": "running", "history": history}
    return changes


def _answered(current: QueryDocument, what: ImageAnswer, fact: Fact) -> _Changes | None:
    if what.expires_at is not None and what.answered_at > what.expires_at:
        return None
    if any(answer.source == "model" and answer.id == what.answer_id for answer in current.answers):
        return None
    answer = AnswerRecord(
        id=what.answer_id,
        source="model",
        label=what.label,
        confidence=what.confidence,
        scores=what.scores,
        boxes=what.boxes,
        text=what.text,
        text_cut=what.text_cut,
        model_name=what.model_name,
        model_digest=what.model_digest,
        at=what.answered_at,
        replay=what.replay,
        attempt=what.attempt,
        timings=what.timings,
        image_width=what.image_width,
        image_height=what.image_height,
    )
    end = _end(current, "answered", what.answered_at, fact, attempts=max(current.attempts, what.attempt))
    return _with_answer(current, answer) | (end or {})


def _labelled(current: QueryDocument, what: LabelAdded) -> _Changes | None:
    if any(answer.source == "person" and answer.id == what.label_id for answer in current.answers):
        return None
    answer = AnswerRecord(
        id=what.label_id,
        source="person",
        label=what.label,
        boxes=what.boxes,
        text=what.text,
        confidence=what.confidence,
        by=what.labelled_by,
        at=what.labelled_at,
    )
    return _with_answer(current, answer) | {"expires_at": None}  # labelled queries are kept


def _with_answer(current: QueryDocument, answer: AnswerRecord) -> _Changes:
    answers = sorted((*current.answers, answer), key=lambda item: (item.at, item.source, item.id))
    return {"answers": tuple(answers), "answer": _that_counts(current.answer, answer)}


def _that_counts(standing: AnswerRecord | None, new: AnswerRecord) -> AnswerRecord:
    """Choose: a person before a model; of persons the later; of models the first, unless an explicit replay.

    Never by confidence: a model that is sure of itself is not therefore right.
    """
    if standing is None:
        return new
    if new.source == "person":
        later = standing.source == "person" and (standing.at, standing.id) > (new.at, new.id)
        return standing if later else new
    if standing.source == "person":
        return standing
    return new if new.replay > standing.replay else standing


def _end(current: QueryDocument, state: State, at: datetime, fact: Fact, **beside: object) -> _Changes | None:
    if current.ended:
        return None
    history = (*current.history, _transition(current, state, at, fact))
    return {"state": state, "history": history, "held": None, **beside}


def _transition(current: QueryDocument, state: State, at: datetime, fact: Fact) -> Transition:
    return Transition(state=state, at=at, fact_id=fact.id, revision=current.revision + 1)


def _erased(current: QueryDocument, what: QueryErased, fact: Fact, retention: timedelta) -> QueryDocument:
    """Keep only that there was something, so that a late fact does not bring it back."""
    ended = current.model_copy(update=_end(current, "cancelled", what.erased_at, fact))
    return QueryDocument(
        id=current.id,
        tenant=current.tenant,
        kind=current.kind,
        lane=current.lane,
        state=ended.state,
        revision=current.revision,
        lineage=current.lineage,
        history=ended.history,
        created_at=current.created_at,
        updated_at=current.updated_at,
        expires_at=what.erased_at + retention,
        erased_at=what.erased_at,
    )
