"""Waiting for a result: one read when the wait begins, and one when a wake-up says that it is over without saying how.

Wake-ups (`results.stored`) may be lost. One re-check per process and second reads every waited-for query at once, so
that a lost wake-up costs a second and a thousand waiters cost one read. Where nobody waits, none is listened to.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Literal

import structlog
from pydantic_core import from_json

from contracts.topics import WAKE_UPS
from contracts.v1.results import ResultsStored, StoredResult
from services.kit.bus.consume import Consumer
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.bus.port import Bus
from services.kit.crash import crash_at
from services.kit.errors import PlatformError, Unavailable
from services.kit.hearing import Hearing
from services.kit.metrics import Metrics
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.layout import lift
from services.kit.store.port import Store

log = structlog.get_logger(__name__)

WaitFor = Literal["answer", "confident"]
Wanted = Callable[[StoredResult], bool]
Absent = Callable[[], Awaitable[float]]
"""Asked when there is no document yet: for how many seconds to wait until it appears."""

_RECHECK_S = 1.0
_LOAD_AT_ONCE = 500


def wanted_for(wait_for: WaitFor) -> Wanted:
    """Return when a wait is over.

    `answer`: there is an answer, or the machine's work has ended without one. `confident`: the answer reaches the
    threshold or a person gave it; the end of the machine's work is not enough, unless it ended without an answer.
    """
    if wait_for == "confident":
        return lambda result: result.confident or (_ended(result) and not result.has_answer)
    return is_over


def is_over(result: StoredResult) -> bool:
    """Say whether there is an answer, or the machine's work has ended without one."""
    return result.has_answer or _ended(result)


def summary_of(document: QueryDocument) -> StoredResult:
    """Return what a wake-up says of a document."""
    return StoredResult(
        query_id=document.id,
        revision=document.revision,
        state=document.state,
        has_answer=document.answer is not None,
        confident=document.confident,
    )


def _ended(result: StoredResult) -> bool:
    return result.state not in {"submitted", "running"}


class _Wait:
    __slots__ = ("future", "key", "revision", "seen", "wanted")

    def __init__(self, key: QueryKey, wanted: Wanted) -> None:
        self.key = key
        self.wanted = wanted
        self.revision = 0
        self.seen = asyncio.Event()  # that there is a document is known
        self.future: asyncio.Future[QueryDocument | None] = asyncio.get_running_loop().create_future()

    def read(self, document: QueryDocument) -> None:
        """Note what is stored: a late wake-up may tell, or have told meanwhile, of what was before."""
        self.revision = document.revision
        self.seen.set()
        told = self.future.result() if self.future.done() else None
        if told is not None and told.revision < document.revision:
            self.future = asyncio.get_running_loop().create_future()


class Waiter:
    """Lets any number of requests wait for queries."""

    def __init__(self, bus: Bus, store: Store, metrics: Metrics, *, max_waiters: int) -> None:
        self._store = store
        self._metrics = metrics
        self._max_waiters = max_waiters
        self._waits: dict[QueryKey, set[_Wait]] = {}
        self._count = 0
        self._hearing = Hearing(lambda: Consumer(bus, metrics, WAKE_UPS, self._hear, batch=64), self._recheck)

    async def check(self) -> None:
        """Return if wake-ups are heard; raise Unavailable otherwise."""
        await self._hearing.check()

    async def start(self, stack: AsyncExitStack) -> None:
        """Be ready to wait until `stack` is left; then every wait ends with what is known."""
        await self._hearing.start(stack)
        recheck = asyncio.create_task(self._recheck_loop(), name="waiter recheck")

        async def stop() -> None:
            recheck.cancel()
            await asyncio.gather(recheck, return_exceptions=True)
            self.release()

        stack.push_async_callback(stop)

    def release(self) -> None:
        """End every wait now, each with what it knew: the process is about to stop."""
        for waits in self._waits.values():
            for wait in waits:
                _finish(wait, None)

    async def wait(
        self, key: QueryKey, wanted: Wanted, timeout_s: float, *, absent: Absent | None = None, asked_after_s: float = 0
    ) -> QueryDocument | None:
        """Return the document as soon as `wanted`, else as it is after `timeout_s`; None when there is none.

        Reads the store once, and once more after waiting unless a wake-up brought the document. Without a document it
        waits `timeout_s` for one to appear, or as long as `absent` says, which may be shorter or longer; it is asked
        if none has appeared `asked_after_s` after the wait began.

        Raises:
            Unavailable: too many wait already and this one would too, or the store is away.
        """
        if timeout_s > 0 and self._count >= self._max_waiters:
            raise Unavailable(f"{self._count} requests wait already; poll instead, or try again")
        deadline = asyncio.get_running_loop().time() + timeout_s
        wait = _Wait(key, wanted)
        self._waits.setdefault(key, set()).add(wait)  # before the first read: no wake-up falls between
        self._count += 1
        self._metrics.waiters.set(self._count)
        try:
            document = (await self._store.queries.load([key])).get(key)
            appear_s, first_s = timeout_s, min(asked_after_s, timeout_s)
            if document is not None:
                wait.read(document)
            elif absent is not None and not await self._appears(wait, first_s):
                appear_s = await absent() - first_s
            enough = document is not None and (document.erased_at is not None or wanted(summary_of(document)))
            if enough or (appear_s if document is None else timeout_s) <= 0:
                return document
            crash_at("waiter.waiting")
            self._hearing.need()
            try:
                found = await _result_of(wait, appear_s, deadline)
            finally:
                self._hearing.release()
            return found or (await self._store.queries.load([key])).get(key)
        finally:
            self._forget(wait)

    async def _appears(self, wait: _Wait, within_s: float) -> bool:
        if within_s <= 0:
            return False
        self._hearing.need()
        try:
            async with asyncio.timeout(within_s):
                await wait.seen.wait()
        except TimeoutError:
            return False
        finally:
            self._hearing.release()
        return True

    def _forget(self, wait: _Wait) -> None:
        waits = self._waits[wait.key]
        waits.discard(wait)
        if not waits:
            del self._waits[wait.key]
        self._count -= 1
        self._metrics.waiters.set(self._count)

    async def _hear(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        for work in batch:
            if isinstance(work.event.payload, ResultsStored):
                for result in work.event.payload.results:
                    key = QueryKey(work.event.tenant, result.query_id)
                    if key in self._waits:
                        self._wake(key, result, _document_of(result, key))
        return [Done()] * len(batch)

    def _wake(self, key: QueryKey, result: StoredResult, document: QueryDocument | None) -> None:
        erased = document is not None and document.erased_at is not None
        for wait in self._waits.get(key, ()):
            wait.seen.set()
            if result.revision > wait.revision and (erased or wait.wanted(result)):
                _finish(wait, document)

    async def _recheck_loop(self) -> None:
        while True:
            await asyncio.sleep(_RECHECK_S)
            await self._recheck()

    async def _recheck(self) -> None:
        """Read every query that is waited for."""
        keys = list(self._waits)
        for start in range(0, len(keys), _LOAD_AT_ONCE):
            try:
                documents = await self._store.queries.load(keys[start : start + _LOAD_AT_ONCE])
            except Unavailable as error:
                log.warning("waiter.recheck_failed", error=str(error))
                break
            except PlatformError as error:
                # One document that this version cannot read must not end the looking for good.
                log.error("waiter.recheck_failed", error=str(error))  # noqa: TRY400 - no trace needed
                continue
            for key, document in documents.items():
                self._wake(key, summary_of(document), document)


def _document_of(result: StoredResult, key: QueryKey) -> QueryDocument | None:
    """Return the document that came with a wake-up, if it is one that can be read."""
    if result.document is None:
        return None
    try:
        decoded = from_json(result.document)
        document = lift(decoded) if isinstance(decoded, dict) else None
    except (PlatformError, ValueError):
        return None
    return document if document is not None and document.key == key else None


async def _result_of(wait: _Wait, appear_s: float, deadline: float) -> QueryDocument | None:
    """Wait until the document appears, then until it is as wanted; None when the reader must look for itself."""
    try:
        async with asyncio.timeout(appear_s):
            await wait.seen.wait()
        async with asyncio.timeout_at(deadline):
            return await wait.future
    except TimeoutError:
        return None


def _finish(wait: _Wait, document: QueryDocument | None) -> None:
    wait.seen.set()
    if not wait.future.done():
        wait.future.set_result(document)
