"""Dead letters as an operator sees them; what becomes of one is a fact on which the result store acts."""

import asyncio
from dataclasses import dataclass, replace

import structlog

from contracts.v1.dead_letter import DeadLetterDropped, DeadLetterRequeued
from services.gateway.facts import FOLD_S, publish
from services.kit.auth import Caller
from services.kit.dead_letters import check_deliverable
from services.kit.errors import Refused, Unavailable, Undecodable
from services.kit.platform import Platform
from services.kit.store.port import Cursor, LetterFilter, Page
from services.kit.store.records import DeadLetter, LetterSummary

log = structlog.get_logger(__name__)

_FIRST_LOOK_S = 0.01
_LONGEST_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Decided:
    """A letter about which something was decided. `done` says that it is gone already."""

    letter: LetterSummary
    done: bool


class DeadLetters:
    """The letters of a caller's tenant; to callers of the operator's tenant, all there are."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._letters = platform.store.dead_letters
        self._operator = platform.settings.operator_tenant

    async def page(
        self, caller: Caller, letter_filter: LetterFilter, cursor: Cursor | None, limit: int
    ) -> Page[LetterSummary]:
        """List newest first what the caller may see.

        Raises:
            Refused: not_allowed, the filter names another tenant.
        """
        if caller.tenant != self._operator:
            if letter_filter.tenant not in {None, caller.tenant}:
                raise Refused("not_allowed", "tenant: only the operator's admins see the dead letters of other tenants")
            letter_filter = replace(letter_filter, tenant=caller.tenant)
        return await self._letters.page(letter_filter, cursor, limit)

    async def find(self, caller: Caller, letter_id: str) -> DeadLetter:
        """Return the letter with its message.

        Raises:
            Refused: dead_letter_not_found; one that the caller may not see looks the same.
        """
        await self._summary(caller, letter_id)
        letter = await self._letters.get(letter_id)
        if letter is None:
            raise Refused("dead_letter_not_found")
        return letter

    async def requeue(self, caller: Caller, letter_id: str) -> Decided:
        """Have the letter's message published again.

        Raises:
            Refused: dead_letter_not_found; dead_letter_undeliverable, nothing would take it.
            Unavailable: the bus is away; nothing happened, or Unknown.
        """
        letter = await self._summary(caller, letter_id)
        try:
            check_deliverable(letter)
        except Undecodable as error:
            raise Refused("dead_letter_undeliverable", f"{error.detail}; drop it") from None
        now = self._platform.clock.now()
        requeued = DeadLetterRequeued(letter_id=letter_id, requeued_at=now, requeued_by=caller.key_id)
        await publish(self._platform, caller.tenant, requeued)
        return await self._follow(letter)

    async def drop(self, caller: Caller, letter_id: str) -> Decided:
        """Have the letter forgotten. Raises as `requeue`."""
        letter = await self._summary(caller, letter_id)
        now = self._platform.clock.now()
        dropped = DeadLetterDropped(letter_id=letter_id, dropped_at=now, dropped_by=caller.key_id)
        await publish(self._platform, caller.tenant, dropped)
        return await self._follow(letter)

    async def _summary(self, caller: Caller, letter_id: str) -> LetterSummary:
        letter = await self._letters.summary(letter_id)
        if letter is None or caller.tenant not in {letter.tenant, self._operator}:
            raise Refused("dead_letter_not_found")
        return letter

    async def _follow(self, letter: LetterSummary) -> Decided:
        """Wait until the letter is gone, for FOLD_S at most; nothing is raised: the decision is published."""
        pause_s = _FIRST_LOOK_S
        try:
            async with asyncio.timeout(FOLD_S):
                while await self._letters.summary(letter.id) is not None:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_LOOK_S)
        except (TimeoutError, Unavailable) as error:
            log.warning("gateway.letter_not_settled", id=letter.id, error=str(error))
            return Decided(letter, done=False)
        return Decided(letter, done=True)
