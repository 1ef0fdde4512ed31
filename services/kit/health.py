"""Truthful health: alive is that the loop turns, ready is that every part works now."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.kit.errors import PlatformError

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns when the part works now; raises a PlatformError that says what does not."""

_CHECK_S = 3.0


class Health:
    """The readiness checks of one process, by name of the part."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._told: dict[str, str] = {}

    def add(self, name: str, check: Check) -> None:
        """Register a check; it must be quick and change nothing."""
        self._checks[name] = check

    async def problems(self) -> dict[str, str]:
        """Run every check at once; return what does not work by name, empty when ready. A change is logged."""
        names = list(self._checks)
        results = await asyncio.gather(*(self._run(self._checks[name]) for name in names))
        found = {name: problem for name, problem in zip(names, results, strict=True) if problem}
        if found and found != self._told:
            log.warning("health.not_ready", problems=found)
        elif self._told and not found:
            log.info("health.ready")
        self._told = found
        return found

    @staticmethod
    async def _run(check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_S):
                await check()
        except TimeoutError:
            return f"no answer within {_CHECK_S:g} s"
        except PlatformError as error:
            return str(error)
        return None
