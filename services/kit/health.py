"""Truthful health: alive is that the loop turns, ready is that every part works now."""

import asyncio
from collections.abc import Awaitable, Callable

from services.kit.errors import PlatformError

Check = Callable[[], Awaitable[None]]
"""Returns when the part works now; raises a PlatformError that says what does not."""

_CHECK_S = 3.0


class Health:
    """The readiness checks of one process, by name of the part."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Register a check; it must be quick and change nothing."""
        self._checks[name] = check

    async def problems(self) -> dict[str, str]:
        """Run every check at once; return what does not work by name, empty when ready."""
        names = list(self._checks)
        results = await asyncio.gather(*(self._run(self._checks[name]) for name in names))
        return {name: problem for name, problem in zip(names, results, strict=True) if problem}

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
