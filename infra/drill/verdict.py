"""The checker: from what was intended, acknowledged, seen, stored and found to counters and a verdict."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from contracts.http.queries import Query
from contracts.ids import SEARCH
from infra.drill.journal import ENDED, Intent, Record
from infra.drill.task import label_of

NUMBER = "drill"
"""The member of a query's metadata that says which question it is."""
_MOST_EXAMPLES = 20
_FAULTS = ("lost", "unexpected", "duplicated", "wrong", "repeated")
_ENDS = ("answered", "failed", "expired")
_NO_FAULTS = frozenset({"answered", "expired", "repeated"})
_Note = Callable[[str, str, str], None]
"""Called with what happened, the ID of the query, and a line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What came of the questions.

    `lost`: acknowledged and not ended, or not there. `unexpected`: stored and never intended, or a second ID of one
    question. `duplicated`: ended more than once by its stored history, or seen to go back by a reader. `wrong`:
    answered with another label than the known one, or with other rows than before the faults. `repeated`: the work or
    a part of it was handed to a worker more than once.
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
    """The counters, those of searches alone, what failed as planted, and some of what is behind each fault."""

    counters: Counters
    searches: Counters
    planted: dict[str, int] = field(default_factory=dict)
    """By reason, how many failed as they must."""
    recovered: int = 0
    """Ended although nobody was told that they were accepted: a client was gone, or its answer was."""
    examples: dict[str, list[str]] = field(default_factory=dict)

    def problems(self, *, faults: bool) -> list[str]:
        """Return why the drill failed, one line each; with `faults`, one that repeated no work tested nothing."""
        counters, planted = self.counters, sum(self.planted.values())
        must_be_zero = ("lost", "unexpected", "duplicated", "wrong")
        found = [f"{name}: {count}" for name in must_be_zero if (count := asdict(counters)[name])]
        if counters.failed > planted:
            found.append(f"{counters.failed - planted} queries failed beyond the {planted} planted to fail")
        if counters.acknowledged == 0:
            found.append("no query was acknowledged")
        elif faults and counters.repeated == 0:
            found.append("no work was repeated: the faults met nothing, so this shows nothing; make it longer")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Digests of rows: what each search must find, by its name, and what was found, by the query's ID."""

    expected: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)


NO_ROWS = Rows()


def judge(record: Record, stored: Iterable[Query], rows: Rows = NO_ROWS) -> Findings:
    """Return what came of the questions of `record`, given every stored query of the drill's tenant."""
    by_id = {query.id: query for query in stored}
    tally: Counter[str] = Counter()
    searches: Counter[str] = Counter()
    planted: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)

    def note(what: str, query_id: str, text: str) -> None:
        tally[what] += 1
        searches[what] += query_id.startswith(f"{SEARCH}_")
        if len(examples[what]) < _MOST_EXAMPLES:
            examples[what].append(text)

    intents = _explained(record, by_id)
    _count_lost(record, by_id, note)
    for query in by_id.values():
        intent = intents.get(query.id)
        if intent is None:
            note("unexpected", query.id, f"{query.id} is stored, and no question explains it")
            continue
        _count_one(query, intent, rows, note)
        if query.error is not None and query.error.reason == intent.planted:
            planted[intent.planted] += 1
    for query_id, how in record.went_back.items():
        note("duplicated", query_id, f"{query_id} was seen to go back: {how}")
    acknowledged = set(record.acknowledged.values())
    asked = {number for number, intent in record.intents.items() if intent.search}
    recovered = sum(query.state in ENDED and query.id not in acknowledged for query in by_id.values())
    return Findings(
        _counters(tally, len(record.intents), len(record.acknowledged)),
        _counters(searches, len(asked), len(asked & record.acknowledged.keys())),
        planted=dict(planted),
        recovered=recovered,
        examples={what: lines for what, lines in examples.items() if what not in _NO_FAULTS},
    )


def _counters(tally: Mapping[str, int], attempted: int, acknowledged: int) -> Counters:
    counts = {name: tally.get(name, 0) for name in (*_ENDS, *_FAULTS)}
    return Counters(attempted=attempted, acknowledged=acknowledged, **counts)


def _explained(record: Record, by_id: Mapping[str, Query]) -> dict[str, Intent]:
    """Return the intent of each stored query that has one; of two IDs of one question only one is explained."""
    explained: dict[str, Intent] = {}
    chosen = dict(record.acknowledged)
    for intent in record.intents.values():
        if intent.query_id is not None:
            explained[intent.query_id] = intent
    for asked, query_id in record.acknowledged.items():
        if record.intents[asked].search:  # it has no metadata that says which question it is
            explained[query_id] = record.intents[asked]
    for query in by_id.values():
        number = query.metadata.get(NUMBER) if isinstance(query.metadata, dict) else None
        if isinstance(number, int) and number in record.intents and chosen.setdefault(number, query.id) == query.id:
            explained[query.id] = record.intents[number]
    return explained


def _count_lost(record: Record, by_id: Mapping[str, Query], note: _Note) -> None:
    for number, query_id in record.acknowledged.items():
        query = by_id.get(query_id)
        if query is None:
            note("lost", query_id, f"{query_id} (question {number}) was acknowledged and is not stored")
        elif query.state not in ENDED:
            held = f", held: {query.held}" if query.held else ""
            note("lost", query_id, f"{query_id} (question {number}) was acknowledged and is still {query.state}{held}")


def _count_one(query: Query, intent: Intent, rows: Rows, note: _Note) -> None:
    if query.state in ENDED:
        reason = f": {query.error.reason}: {query.error.detail}" if query.error else ""
        note(query.state, query.id, query.id + reason)
    ends = [change.state for change in query.history if change.state in ENDED]
    if len(ends) > 1:
        note("duplicated", query.id, f"{query.id} ended {len(ends)} times: {', '.join(ends)}")
    if query.state == "answered" and (wrong := _what_is_wrong(query, intent, rows)):
        note("wrong", query.id, f"{query.id} {wrong}")
    if query.attempts > 1:
        note("repeated", query.id, query.id)


def _what_is_wrong(query: Query, intent: Intent, rows: Rows) -> str:
    """Return why the answer is not the right one, "" when it is."""
    if intent.planted:
        return f"says {query.label!r} and must have failed with {intent.planted}"
    if not intent.search:
        right = label_of(intent.number)
        return "" if query.label == right else f"says {query.label!r}, right is {right!r}"
    if query.id not in rows.found:
        return f"({intent.search}): its rows cannot be read"
    same = rows.found[query.id] == rows.expected.get(intent.search)
    return "" if same else f"({intent.search}) has other rows than before the faults"
