"""HTTP/1.1 over one kept connection, as little of it as our own services need.

A client library would take as much processor time as the service that is measured on the same machine.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, Self
from urllib.parse import urlsplit


class Reply(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: bytes


def request_of(
    method: str, origin: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {urlsplit(origin).netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


class Connection:
    """One connection; one request at a time. Enter it to connect."""

    def __init__(self, origin: str) -> None:
        self._origin = urlsplit(origin)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._origin.hostname, self._origin.port)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def ask(self, request: bytes) -> Reply:
        """Send a request and return its answer, which must say its length."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + len(b"content-length:")
        size = int(head[at : head.index(b"\r\n", at)])
        return Reply(int(head[9:12]), await self._reader.readexactly(size) if size else b"")
