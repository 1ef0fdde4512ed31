"""A TCP proxy in front of a server, so that a drill or a test can cut the wire or let it fall silent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

_CHUNK_BYTES = 64 * 1024


class Proxy:
    """Passes bytes on until it is told otherwise. `connections` counts those that were made through it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._serving: set[asyncio.Task[object]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self.port = 0
        self.connections = 0

    def url(self, url: str) -> str:
        """Return the address of the server behind, by way of this proxy."""
        parts = urlsplit(url)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Break every connection, as a pulled cable and a reset do."""
        for writer in list(self._writers):
            writer.transport.abort()

    def silence(self) -> None:
        """Pass nothing on from now on; the connections stay open."""
        self._flowing.clear()

    def speak(self) -> None:
        """Undo `silence`."""
        self._flowing.set()

    def refuse(self, *, on: bool) -> None:
        """Break new connections at once, or no longer."""
        self._refusing = on

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if (serving := asyncio.current_task()) is not None:
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)
        self._writers.add(writer)
        try:
            if self._refusing:
                return
            self.connections += 1
            there, onward = await asyncio.open_connection(*self._target)
            self._writers.add(onward)
            try:
                pumps = [asyncio.create_task(self._pump(*each)) for each in ((reader, onward), (there, writer))]
                self._pumps.update(pumps)
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                self._pumps.difference_update(pumps)
            finally:
                await self._end(onward)
        except OSError:
            return
        finally:
            await self._end(writer)

    async def ended(self) -> None:
        """Return when every connection has ended; break them before."""
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def proxying(url: str, default_port: int = 5672, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """A proxy in front of the server of `url`; with `tls` it speaks TLS to those who come, not to the server."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or default_port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        await server.wait_closed()
        proxy.speak()
        await proxy.ended()
