"""How the rows of a search lie in chunks: JSON objects joined by commas, compressed.

Joined chunks are again objects joined by commas, so a result is streamed without being read. What was joined of a part
refers to the chunks of the part itself wherever nothing came in between.
"""

import struct
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from services.kit.errors import Undecodable
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed, SearchRows

CHUNK_BYTES = 512 * 1024
"""About how much JSON is in a chunk."""
_LEVEL = 1  # rows repeat themselves: the lowest level takes them to a tenth
_REFERENCE = struct.Struct(">I")
"""Four bytes, the number of a chunk; compressed rows are longer."""


class Place(NamedTuple):
    """A place between rows: the number of a chunk, and the bytes in it before the place, commas counted."""

    chunk: int
    offset: int


class Packer:
    """Takes encoded rows one by one into chunks."""

    def __init__(self, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._chunk_bytes = chunk_bytes
        self._chunks: list[bytes] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = self._size_bytes = self._rows = 0

    @property
    def place(self) -> Place:
        """Where the next row comes."""
        return Place(len(self._chunks), self._waiting_bytes)

    def add(self, row: bytes) -> None:
        """Take a row, or several with commas between them, which count as one."""
        self._waiting.append(row)
        self._waiting_bytes += len(row) + 1
        self._rows += 1
        if self._waiting_bytes >= self._chunk_bytes:
            self._close()

    def packed(self) -> Packed:
        """Return everything that was taken."""
        if self._waiting:
            self._close()
        return Packed(tuple(self._chunks), self._rows, self._size_bytes)

    def _close(self) -> None:
        self._chunks.append(zlib.compress(b",".join(self._waiting), _LEVEL))
        self._size_bytes += self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0


def pack(rows: Iterable[bytes], chunk_bytes: int = CHUNK_BYTES) -> Packed:
    """Return encoded rows in chunks."""
    packer = Packer(chunk_bytes)
    for row in rows:
        packer.add(row)
    return packer.packed()


def reference(chunk: int) -> bytes:
    """Return the chunk that stands, in what was joined of a part, for a chunk of the part itself."""
    return _REFERENCE.pack(chunk)


def unpack(chunk: bytes) -> bytes:
    """Return the JSON of a chunk.

    Raises:
        Undecodable: it is damaged.
    """
    try:
        return zlib.decompress(chunk)
    except zlib.error as error:
        raise Undecodable("rows_damaged", f"rows of a search cannot be read: {error}") from error


async def get_chunk(store: SearchRows, key: QueryKey, part: int, number: int) -> bytes:
    """Return a chunk as it is stored.

    Raises:
        Undecodable: it is gone.
    """
    chunk = await store.get(key, part, number)
    if chunk is None:
        raise Undecodable("rows_gone", f"rows of {key.id} were removed while they were read")
    return chunk


async def read_result(store: SearchRows, key: QueryKey) -> AsyncIterator[bytes]:
    """Yield the JSON of each chunk of a complete search: what was joined, else its parts, one after the other.

    Raises:
        Undecodable: a chunk is damaged or gone.
    """
    recorded = await store.recorded(key)
    joined = sorted((part for part in recorded if part < 0), reverse=True)
    for part in joined or sorted(recorded):
        for number in range(recorded[part].chunks):
            chunk = await get_chunk(store, key, part, number)
            if len(chunk) == _REFERENCE.size:
                chunk = await get_chunk(store, key, -part, *_REFERENCE.unpack(chunk))
            yield unpack(chunk)
