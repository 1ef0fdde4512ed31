"""Hearing a broadcast only while somebody needs it: else every process would be woken by everything, for nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog

from services.kit.bus.consume import Consumer
from services.kit.errors import PlatformError, Unavailable

log = structlog.get_logger(__name__)

_UNUSED_S = 10.0
_AGAIN_S = 1.0
_DRAIN_S = 1.0


class Hearing:
    """Keeps a consumer while somebody needs it and for some seconds after.

    What was said between the first need and the moment at which the consumer hears is missed: `look` is awaited then.
    """

    def __init__(
        self, consumer: Callable[[], Consumer], look: Callable[[], Awaitable[None]], *, unused_s: float = _UNUSED_S
    ) -> None:
        self._make = consumer
        self._look = look
        self._unused_s = unused_s
        self._consumer: Consumer | None = None
        self._needs = 0
        self._needed = asyncio.Event()
        self._unneeded = asyncio.Event()
        self._problem = ""
        self._keeping: asyncio.Task[None] | None = None

    async def start(self, stack: AsyncExitStack) -> None:
        """Hear from now on, and so find out at once what would keep us from it, until `stack` is left."""
        self._unneeded.set()
        own = await self._begin()
        self._keeping = keeping = asyncio.create_task(self._keep(own), name="hearing")

        async def stop() -> None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

        stack.push_async_callback(stop)

    @property
    def active(self) -> bool:
        """Whether it is heard now."""
        return self._consumer is not None

    def need(self) -> None:
        """Say that somebody needs it, until `release`."""
        self._needs += 1
        self._needed.set()
        self._unneeded.clear()

    def release(self) -> None:
        """Take one `need` back."""
        self._needs -= 1
        if not self._needs:
            self._needed.clear()
            self._unneeded.set()

    async def check(self) -> None:
        """Return unless it is needed and not heard; raise Unavailable then."""
        if self._keeping is None or self._keeping.done():
            raise Unavailable("nothing is heard any more; see the log and restart the service")
        if self._consumer is not None:
            await self._consumer.check()
        elif self._problem:
            raise Unavailable(self._problem)

    async def _begin(self) -> AsyncExitStack:
        async with AsyncExitStack() as stack:
            consumer = self._make()
            await consumer.start(stack, drain_s=_DRAIN_S)
            self._consumer = consumer
            return stack.pop_all()

    async def _keep(self, heard: AsyncExitStack) -> None:
        while True:
            async with heard:
                await self._look()
                await self._until_unused()
                self._consumer = None
            await self._needed.wait()
            heard = await self._again()

    async def _until_unused(self) -> None:
        while True:
            await self._unneeded.wait()
            try:
                async with asyncio.timeout(self._unused_s):
                    await self._needed.wait()
            except TimeoutError:
                return

    async def _again(self) -> AsyncExitStack:
        while True:
            try:
                heard = await self._begin()
            except PlatformError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.warning("hearing.cannot_begin", error=self._problem)
                await asyncio.sleep(_AGAIN_S)
            else:
                self._problem = ""
                return heard
