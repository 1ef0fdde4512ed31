"""The same work for many things at once, shown as it goes, results in the order of the things."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sightline.command.failures import CommandFailed
from sightline.command.output import progress
from sightline.errors import SightlineError, Unavailable

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16


class Skipped(CommandFailed):
    """Not begun, because the platform went away before."""


async def for_each(
    things: Sequence[T], work: Callable[[T], Awaitable[R]], show: Callable[[T, R | Exception], None], doing: str
) -> None:
    """Do `work` for every thing; call `show` for each with its result or error, in order, as soon as may be.

    After the first Unavailable nothing more is begun, but what was begun is finished: it may have taken effect.
    """
    free = asyncio.Semaphore(_AT_ONCE)
    away = asyncio.Event()

    async def one(thing: T) -> R | Exception:
        async with free:
            if away.is_set():
                return Skipped("not done: the platform is unavailable")
            try:
                return await work(thing)
            except (SightlineError, OSError) as error:
                if isinstance(error, Unavailable):
                    away.set()
                return error
            finally:
                bar.advance(task)

    with progress() as bar:
        task = bar.add_task(doing, total=len(things))
        running = [asyncio.create_task(one(thing)) for thing in things]
        try:
            for thing, pending in zip(things, running, strict=True):
                show(thing, await pending)
        finally:
            for pending in running:
                pending.cancel()
            await asyncio.gather(*running, return_exceptions=True)
