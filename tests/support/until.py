"""Waiting for what has no event of its own."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], *, timeout_s: float = 15.0) -> None:
    """Return once `condition` holds; fail with a TimeoutError when it does not in time."""
    async with asyncio.timeout(timeout_s):
        while True:
            held = condition()
            if await held if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(0.01)
