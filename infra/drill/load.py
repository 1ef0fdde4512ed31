"""The load: submitters that repeat with the same key until they know, pollers, and readers who wait."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import httpx2

from infra.drill import task
from infra.drill.doors import Answer, Doors
from infra.drill.journal import ENDED, MISSING, Intent, Journal

SUBMITTERS = 16
_POLLERS = 2
_WAITERS = 2
_POLLS_PER_S = 8.0
_WAIT_S = 10.0
_RECENT = 100
_RECENT_SHARE = 0.7
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
_HASTY_S = 0.03
POISON_EVERY = 50
_POISON_AT = 17
HASTY_EVERY = 40
_HASTY_AT = 5


@dataclass(slots=True)
class Load:
    """Asks `rate` questions a second, fewer where the platform is slower.

    Every 50th image cannot be decoded, and every 40th client gives up at once and never learns what became of it.
    `statuses` counts what the doors answered; `problems` are answers that no fault excuses.
    """

    doors: Doors
    journal: Journal
    rate: float
    seed: int
    most: int | None = None
    statuses: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _next: int = 0
    _began: float = field(default_factory=time.monotonic)
    _next_slot: float = 0.0
    _rushed: int = 0
    _lethal: int = 0
    _open: list[str] = field(default_factory=list)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the load was made, or `begin` was called."""
        return time.monotonic() - self._began

    def begin(self) -> datetime:
        """Count the time from now on."""
        self._began = time.monotonic()
        return datetime.now(UTC)

    def next_number(self) -> int:
        """Return a number that no other question has."""
        number, self._next = self._next, self._next + 1
        return number

    def rush(self, questions: int) -> None:
        """Let the next questions go without a pause: a fault that hits idle services shows nothing."""
        self._rushed += questions

    def poison(self) -> None:
        """Let the next image be one that ends the worker that runs its model on it."""
        self._lethal += 1

    async def run(self) -> None:
        """Ask and read until `stopping` is set, then let every submitter learn the outcome of its last question."""
        readers = [asyncio.create_task(self._poll(number)) for number in range(_POLLERS)]
        readers += [asyncio.create_task(self._wait(number)) for number in range(_WAITERS)]
        try:
            async with asyncio.TaskGroup() as submitters:
                for _ in range(SUBMITTERS):
                    submitters.create_task(self._submit())
        finally:
            for reader in readers:
                reader.cancel()
            ended = await asyncio.gather(*readers, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def _submit(self) -> None:
        while await self._slot() and (self.most is None or self._next < self.most):
            number = self.next_number()
            planted = self._plant(number)
            image = task.question(number, planted)
            self.journal.intend(Intent(number=number, planted=planted))
            if number % HASTY_EVERY == _HASTY_AT and planted != task.LETHAL:
                await self.doors.ask(number, image, timeout_s=_HASTY_S)
                continue
            await self.insist(number, partial(self.doors.ask, number, image))

    def _plant(self, number: int) -> str:
        if self._lethal:
            self._lethal -= 1
            return task.LETHAL
        return task.CORRUPT if number % POISON_EVERY == _POISON_AT else ""

    async def insist(self, number: int, ask: Callable[[], Awaitable[Answer]]) -> str:
        """Repeat one question until its outcome is known; return its ID, "" when it was refused."""
        pause_s = _FIRST_PAUSE_S
        while True:
            answer = await ask()
            self.count(answer)
            if answer.accepted_id:
                self.accepted(number, answer.accepted_id)
                return answer.accepted_id
            if not answer.unknown:
                self.problems.append(f"question {number} was refused with {answer.status}: {answer.said}")
                return ""
            await asyncio.sleep(max(pause_s, min(answer.after_s, _LONGEST_PAUSE_S)))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def accepted(self, number: int, query_id: str) -> None:
        """A question was accepted under an ID."""
        self.journal.acknowledge(number, query_id, self.elapsed_s)
        self._open.append(query_id)

    async def _slot(self) -> bool:
        """Wait for the time of the next question; False when there is none."""
        if not self._rushed:
            now = time.monotonic()
            slot = max(self._next_slot, now)
            self._next_slot = slot + 1 / self.rate
            if slot > now:
                await self.or_stop(asyncio.sleep(slot - now))
        self._rushed = max(0, self._rushed - 1)
        return not self.stopping.is_set()

    async def or_stop(self, waiting: Awaitable[None]) -> None:
        """Wait, but no longer than until `stopping` is set."""
        tasks = {asyncio.ensure_future(waiting), asyncio.ensure_future(self.stopping.wait())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in tasks:
            each.cancel()

    async def _poll(self, number: int) -> None:
        await self._read(random.Random(f"{self.seed}-poll-{number}"), self._any, 0.0, _POLLERS / _POLLS_PER_S)

    async def _wait(self, number: int) -> None:
        await self._read(random.Random(f"{self.seed}-wait-{number}"), self._latest, _WAIT_S, _FIRST_PAUSE_S)

    async def _read(
        self, chance: random.Random, choose: Callable[[random.Random], str], wait_s: float, pause_s: float
    ) -> None:
        while True:
            await asyncio.sleep(pause_s)
            if self._open:
                await self.look(choose(chance), wait_s=wait_s)

    def _any(self, chance: random.Random) -> str:
        recent = chance.random() < _RECENT_SHARE
        return chance.choice(self._open[-_RECENT:] if recent else self._open)

    def _latest(self, chance: random.Random) -> str:
        return chance.choice(self._open[-SUBMITTERS:])

    async def look(self, query_id: str, *, wait_s: float = 0.0) -> Answer:
        """Look a query up and write down what was seen, unless another reader saw it end meanwhile."""
        before = self.journal.record.seen.get(query_id)
        answer = await self.doors.look_up(query_id, wait_s=wait_s)
        self.count(answer)
        ended_meanwhile = self.journal.record.seen.get(query_id) != before
        if answer.query is not None and (answer.query.state in ENDED or not ended_meanwhile):
            self.journal.see(query_id, answer.query.state)
        elif answer.status in {httpx2.codes.NOT_FOUND, httpx2.codes.GONE}:
            self.journal.see(query_id, MISSING)
        return answer

    def count(self, answer: Answer) -> None:
        """Count what a door said; a 500 is a problem."""
        self.statuses["no answer" if answer.status == 0 else str(answer.status)] += 1
        if answer.status == httpx2.codes.INTERNAL_SERVER_ERROR:
            self.problems.append(f"a door answered 500: {answer.said}")
