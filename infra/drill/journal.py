"""What the load did and saw, written down as it happens: the evidence that the verdict is judged by.

A question is on disk before it is sent, and its acknowledgement right after it came, so that the record is never
behind what the platform was told or said.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

ENDED = frozenset({"answered", "failed", "cancelled", "expired"})
MISSING = "not found"
"""Seen by a reader who was told that there is no such query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A question before it is sent.

    `planted` is the reason with which it must fail, `search` the name of the search; an ordinary image has neither.
    `query_id` is known only of one whose ID was minted here.
    """

    number: int
    planted: str = ""
    search: str = ""
    query_id: str | None = None


@dataclass(slots=True)
class Record:
    """Everything that was intended, acknowledged and seen. `acknowledged` maps numbers to IDs."""

    intents: dict[int, Intent] = field(default_factory=dict)
    acknowledged: dict[int, str] = field(default_factory=dict)
    acknowledged_at_s: dict[int, float] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    """The state that each query was last seen in."""
    minted: set[str] = field(default_factory=set)
    """IDs of questions that were published past the doors, which know nothing of them before they are stored."""
    went_back: dict[str, str] = field(default_factory=dict)
    """Queries that a reader saw leave an end, or vanish after they were acknowledged, and how."""

    def intend(self, intent: Intent) -> None:
        """A question will be sent."""
        self.intents[intent.number] = intent
        if intent.query_id is not None:
            self.minted.add(intent.query_id)

    def acknowledge(self, number: int, query_id: str, at_s: float) -> None:
        """A question was accepted. One that gets two IDs keeps the first; the other is then unexpected."""
        if number not in self.acknowledged:
            self.acknowledged[number] = query_id
            self.acknowledged_at_s[number] = at_s

    def see(self, query_id: str, state: str) -> None:
        """A reader looked an acknowledged query up; readings of one query must come in the order they began."""
        before = self.seen.get(query_id)
        if state == MISSING and before is None and query_id in self.minted:
            return  # it came by the broker alone: until it is stored nobody has heard of it
        if state == MISSING or (before in ENDED and state != before):
            self.went_back.setdefault(query_id, f"{before or 'acknowledged'} -> {state}")
        self.seen[query_id] = state


class Journal:
    """A record that is also a file with one JSON document per line. Enter it to open the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self.record = Record()

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self._file)

    def intend(self, intent: Intent) -> None:
        """Write down that a question will be sent; it is on disk when this returns."""
        self.record.intend(intent)
        self._write("intent", **asdict(intent))
        os.fsync(self._file)

    def acknowledge(self, number: int, query_id: str, at_s: float) -> None:
        """Write down that a question was accepted `at_s` seconds into the run."""
        self.record.acknowledge(number, query_id, at_s)
        self._write("acknowledged", number=number, query_id=query_id, at_s=round(at_s, 3))

    def see(self, query_id: str, state: str) -> None:
        """Write down the state that a reader saw."""
        self.record.see(query_id, state)
        self._write("seen", query_id=query_id, state=state)

    def _write(self, what: str, **facts: object) -> None:
        os.write(self._file, (json.dumps({"what": what, **facts}) + "\n").encode())
