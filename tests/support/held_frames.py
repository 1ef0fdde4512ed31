"""A wire to RabbitMQ on which one kind of request can be held back, while all others pass."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

BASIC_CONSUME = (60, 20)
"""Class and method of AMQP 0-9-1."""

_GREETING_BYTES = 8
_HEAD_BYTES = 7
_METHOD = 1


class HeldFrames:
    """Passes frames on; requests of one method wait while `hold` was called. `asked` counts those requests."""

    def __init__(self, url: str, method: tuple[int, int]) -> None:
        self._url = urlsplit(url)
        self._method = b"".join(part.to_bytes(2, "big") for part in method)
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.asked = 0

    def listen_at(self, port: int) -> None:
        user = self._url.netloc.rpartition("@")[0]
        self.url = urlunsplit(self._url._replace(netloc=f"{user}@127.0.0.1:{port}"))

    def hold(self) -> None:
        self._passing.clear()

    def release(self) -> None:
        self._passing.set()

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection(self._url.hostname, self._url.port)
        ends = {writer, onward}
        self._writers |= ends
        with suppress(OSError, asyncio.IncompleteReadError):
            answers = asyncio.create_task(self._answers(there, writer))
            try:
                onward.write(await reader.readexactly(_GREETING_BYTES))
                while True:
                    await self._pass_on(reader, onward)
            finally:
                answers.cancel()
                self._writers -= ends
                for end in ends:
                    end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(_HEAD_BYTES)
        payload = await reader.readexactly(int.from_bytes(head[3:], "big") + 1)
        if head[0] != _METHOD or payload[:4] != self._method:
            onward.write(head + payload)
            return
        self.asked += 1
        later = asyncio.create_task(self._write_later(head + payload, onward))
        self._tasks.add(later)
        later.add_done_callback(self._tasks.discard)

    async def _write_later(self, frame: bytes, onward: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        onward.write(frame)

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await there.read(64 * 1024):
                writer.write(chunk)
        writer.close()


@asynccontextmanager
async def held_frames(url: str, method: tuple[int, int]) -> AsyncIterator[HeldFrames]:
    """A wire to the broker of `url`."""
    held = HeldFrames(url, method)
    server = await asyncio.start_server(held.accept, "127.0.0.1", 0)
    held.listen_at(server.sockets[0].getsockname()[1])
    try:
        yield held
    finally:
        server.close()
        held.release()
        held.cut()
        await server.wait_closed()
