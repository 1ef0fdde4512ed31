"""Searches in the mix: under faults each must find exactly the rows that the same platform found before them."""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.drill.doors import Answer, Doors
from infra.drill.journal import ENDED, Intent
from infra.drill.load import Load
from infra.drill.services import DrillError

_CLIENTS = 2
_PAUSE_S = 1.0
_WAIT_S = 5.0
_LONGEST_S = 60.0
_READ_S = 120.0
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Search:
    """A search of the data set in `examples/space`; `kind` is the surface's word for its type."""

    kind: str
    query: Mapping[str, Any]


_DAYS = {"start": "2020-01-01T00:00:00", "end": "2020-01-04T23:59:59"}
_SITES = {"programs": ["themis-asi"], "platforms": ["gillam", "fort smith", "rankin inlet", "the pas"]}
_CLEAR = {"key": "calgary_cloud_ml_v1", "operator": "=", "values": ["classified as not cloudy"]}
SEARCHES: Mapping[str, Search] = {
    "pairs": Search(
        "conjunctions",
        _DAYS | {"ground": [_SITES], "space": [{"programs": ["swarm"]}], "max_distances": {"ground1-space1": 500}},
    ),
    "threes": Search(
        "conjunctions",
        _DAYS
        | {
            "ground": [_SITES],
            "space": [{"programs": ["swarm"]}, {"programs": ["themis"]}],
            "max_distances": {"ground1-space1": 1500, "ground1-space2": 1500, "space1-space2": 3000},
        },
    ),
    "clear nights": Search(
        "ephemeris",
        _DAYS
        | {
            "data_sources": {
                "programs": ["themis-asi"],
                "platforms": ["gillam"],
                "ephemeris_metadata_filters": {"expressions": [_CLEAR]},
            }
        },
    ),
    "keograms": Search("data_products", _DAYS | {"data_sources": {"programs": ["themis-asi"]}}),
}
"""Each in four parts of a day, but the last in one."""


class Searching:
    """Clients that search, wait and read, one search after the other; `expected` are digests of the right rows."""

    def __init__(self, doors: Doors, load: Load) -> None:
        self._doors = doors
        self._load = load
        self._clients: asyncio.TaskGroup | None = None
        self.expected: dict[str, str] = {}
        self.accepted = 0

    async def learn(self) -> None:
        """Find out what each search finds while nothing is broken.

        Raises:
            DrillError: one does not end, or finds nothing.
        """
        for name, search in SEARCHES.items():
            query_id = await self._ask(name)
            rows = None
            if query_id and await self._ends(query_id):
                rows = await self._doors.rows(search.kind, query_id)
            if rows is None or isinstance(rows, Answer) or not rows:
                raise DrillError(f"the search {name!r} finds nothing though nothing is broken yet: {rows}")
            self.expected[name] = digest_of(rows)

    async def run(self) -> None:
        """Run the load and search beside it; when it ends, every client learns what became of its last submission."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as self._clients:
            for number in range(_CLIENTS):
                self._clients.create_task(self._search(random.Random(f"{self._load.seed}-search-{number}"), stopping))
            await self._load.run()
            stopping.set()
        self._clients = None

    def rush(self) -> None:
        """Ask for several at once: a fault that hits idle workers shows nothing."""
        for name in SEARCHES:
            if self._clients is not None:
                self._clients.create_task(self._ask(name))

    async def found(self) -> dict[str, str]:
        """Return the digest of the rows of each search that was accepted; those that cannot be read are left out."""
        record = self._load.journal.record
        room = asyncio.Semaphore(_AT_ONCE)
        deadline = time.monotonic() + _READ_S
        found: dict[str, str] = {}

        async def read(query_id: str, search: Search) -> None:
            async with room:
                while time.monotonic() < deadline:
                    rows = await self._doors.rows(search.kind, query_id)
                    if not isinstance(rows, Answer):
                        found[query_id] = digest_of(rows)
                        return
                    if not rows.unknown:
                        return
                    await asyncio.sleep(_PAUSE_S)

        async with asyncio.TaskGroup() as reading:
            for number, query_id in record.acknowledged.items():
                if name := record.intents[number].search:
                    reading.create_task(read(query_id, SEARCHES[name]))
        return found

    async def _search(self, chance: random.Random, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            name = chance.choice(list(SEARCHES))
            query_id = await self._ask(name)
            if query_id and await self._ends(query_id, stopping):
                await self._check(name, query_id)
            await asyncio.sleep(_PAUSE_S)

    async def _ask(self, name: str) -> str:
        number, search = self._load.next_number(), SEARCHES[name]
        self._load.journal.intend(Intent(number=number, search=name))
        query_id = await self._load.insist(number, partial(self._doors.search, number, search.kind, search.query))
        self.accepted += bool(query_id)
        return query_id

    async def _ends(self, query_id: str, stopping: asyncio.Event | None = None) -> bool:
        """Wait for a search; False when it takes too long, or longer than until `stopping` is set."""
        deadline = time.monotonic() + _LONGEST_S
        while time.monotonic() < deadline and not (stopping is not None and stopping.is_set()):
            query = (await self._load.look(query_id, wait_s=_WAIT_S)).query
            if query is not None and query.state in ENDED:
                return True
            await asyncio.sleep(_PAUSE_S)
        return False

    async def _check(self, name: str, query_id: str) -> None:
        """Read the rows in the middle of everything: they may be refused or cut, but not be others."""
        rows = await self._doors.rows(SEARCHES[name].kind, query_id)
        if isinstance(rows, Answer):
            self._load.count(rows)
        elif digest_of(rows) != self.expected[name]:
            self._load.problems.append(f"{query_id}: a reader got {len(rows)} other rows of the search {name!r}")


def digest_of(rows: Sequence[Any]) -> str:
    """Return the same text for the same rows in the same order."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
