"""A store that hangs is away: doors wait for it a moment only."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from services.kit.errors import Unavailable

T = TypeVar("T")

LONGEST_S = 2.0
"""With what comes before and after it a door says within about three seconds what it can do."""


async def soon(work: Awaitable[T], longest_s: float = LONGEST_S) -> T:
    """Return what `work` returns within `longest_s`.

    Raises:
        Unavailable: it takes longer, and was cancelled; what it writes may be written all the same.
    """
    try:
        async with asyncio.timeout(longest_s):
            return await work
    except TimeoutError:
        raise Unavailable("the store does not answer in time") from None
