"""A proxy that loses answers: the server has done what it was told, and nobody hears of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

_CHUNK_BYTES = 64 * 1024


class LosingProxy:
    """Passes bytes on, but breaks the connection in place of the next answers to what contains `marker`."""

    def __init__(self, host: str, port: int, marker: bytes) -> None:
        self._target = (host, port)
        self._marker = marker
        self._left = 0
        self.lost = 0
        self.port = 0

    def url(self, url: str) -> str:
        """Return the address of the server behind, by way of this proxy."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"))

    def lose(self, answers: int) -> None:
        """Lose that many answers from now on."""
        self._left = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        there, onward = await asyncio.open_connection(*self._target)
        asked = asyncio.Event()
        pumps = [
            asyncio.create_task(self._requests(reader, onward, asked)),
            asyncio.create_task(self._answers(there, writer, asked)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for each in (writer, onward):
            each.transport.abort()
            with suppress(OSError):
                await each.wait_closed()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._left and self._marker in chunk:
                asked.set()
            writer.write(chunk)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if asked.is_set():
                self._left -= 1
                self.lost += 1
                return
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def losing(url: str, marker: bytes) -> AsyncIterator[LosingProxy]:
    """A losing proxy in front of the server of `url`."""
    parts = urlsplit(url)
    proxy = LosingProxy(parts.hostname or "127.0.0.1", parts.port or 27017, marker)
    serving: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await proxy.serve(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
        if serving:
            await asyncio.wait(serving, timeout=15)
