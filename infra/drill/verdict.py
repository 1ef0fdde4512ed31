"""The checker: from what was intended, acknowledged and seen, and what is stored, to counters and a verdict."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from contracts.http.queries import Query
from infra.drill.journal import ENDED, Intent, Record
from infra.drill.task import label_of

NUMBER = "drill"
"""The member of a query's metadata that says which question it is."""
_MOST_EXAMPLES = 20
_FAULTS = ("lost", "unexpected", "duplicated", "wrong", "repeated")
_Note = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What came of the questions.

    `lost`: acknowledged and not ended, or not there. `unexpected`: stored and never intended, or a second ID of one
    question. `duplicated`: ended more than once by its stored history, or seen to go back by a reader. `wrong`:
    answered with another label than the known one. `repeated`: handed to a worker more than once.
    """

    attempted: int = 0
    acknowledged: int = 0
    answered: int = 0
    failed: int = 0
    expired: int = 0
    lost: int = 0
    unexpected: int = 0
    duplicated: int = 0
    wrong: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Findings:
    """The counters, how many failures were planted, and some of what is behind each fault, for people."""

    counters: Counters
    planted: int = 0
    recovered: int = 0
    """Ended although nobody was told that they were accepted: a client was gone, or its answer was."""
    examples: dict[str, list[str]] = field(default_factory=dict)

    def problems(self, *, faults: bool) -> list[str]:
        """Return why the drill failed, one line each; with `faults`, one that repeated no work tested nothing."""
        counters = self.counters
        must_be_zero = ("lost", "unexpected", "duplicated", "wrong")
        found = [f"{name}: {count}" for name in must_be_zero if (count := asdict(counters)[name])]
        if counters.failed > self.planted:
            found.append(f"{counters.failed - self.planted} queries failed beyond the {self.planted} planted to fail")
        if counters.acknowledged == 0:
            found.append("no query was acknowledged")
        elif faults and counters.repeated == 0:
            found.append("no work was repeated: the faults met nothing, so this shows nothing; make it longer")
        return found


def judge(record: Record, stored: Iterable[Query]) -> Findings:
    """Return what came of the questions of `record`, given every stored query of the drill's tenant."""
    by_id = {query.id: query for query in stored}
    tally: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)

    def note(what: str, text: str) -> None:
        tally[what] += 1
        if len(examples[what]) < _MOST_EXAMPLES:
            examples[what].append(text)

    intents = _explained(record, by_id)
    _count_lost(record, by_id, note)
    for query in by_id.values():
        intent = intents.get(query.id)
        if intent is None:
            note("unexpected", f"{query.id} is stored, and no question explains it")
            continue
        _count_one(query, intent, note)
    for query_id, how in record.went_back.items():
        note("duplicated", f"{query_id} was seen to go back: {how}")
    acknowledged = set(record.acknowledged.values())
    counters = Counters(
        attempted=len(record.intents),
        acknowledged=len(record.acknowledged),
        **{name: tally[name] for name in ("answered", "failed", "expired", *_FAULTS)},
    )
    recovered = sum(query.state in ENDED and query.id not in acknowledged for query in by_id.values())
    kept = {
        name: lines for name, lines in examples.items() if name not in {"answered", "expired", "repeated", "planted"}
    }
    return Findings(counters, planted=tally["planted"], recovered=recovered, examples=kept)


def _explained(record: Record, by_id: Mapping[str, Query]) -> dict[str, Intent]:
    """Return the intent of each stored query that has one; of two IDs of one question only one is explained."""
    explained: dict[str, Intent] = {}
    chosen = dict(record.acknowledged)
    for intent in record.intents.values():
        if intent.query_id is not None:
            explained[intent.query_id] = intent
    for query in by_id.values():
        number = query.metadata.get(NUMBER) if isinstance(query.metadata, dict) else None
        if isinstance(number, int) and number in record.intents and chosen.setdefault(number, query.id) == query.id:
            explained[query.id] = record.intents[number]
    return explained


def _count_lost(record: Record, by_id: Mapping[str, Query], note: _Note) -> None:
    for number, query_id in record.acknowledged.items():
        query = by_id.get(query_id)
        if query is None:
            note("lost", f"{query_id} (question {number}) was acknowledged and is not stored")
        elif query.state not in ENDED:
            held = f", held: {query.held}" if query.held else ""
            note("lost", f"{query_id} (question {number}) was acknowledged and is still {query.state}{held}")


def _count_one(query: Query, intent: Intent, note: _Note) -> None:
    if query.state in ENDED:
        note(query.state, f"{query.id}: {query.error.reason}: {query.error.detail}" if query.error else query.id)
    if query.state == "failed" and intent.poison:
        note("planted", query.id)
    ends = [change.state for change in query.history if change.state in ENDED]
    if len(ends) > 1:
        note("duplicated", f"{query.id} ended {len(ends)} times: {', '.join(ends)}")
    if query.state == "answered" and (intent.poison or query.label != label_of(intent.number)):
        expected = "a failure" if intent.poison else label_of(intent.number)
        note("wrong", f"{query.id} says {query.label!r}, right is {expected!r}")
    if query.attempts > 1:
        note("repeated", query.id)
