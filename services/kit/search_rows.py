"""How the rows of a search lie in chunks: JSON objects joined by commas, compressed.

Joined chunks are again objects joined by commas, so a result is streamed without being read.
"""

import zlib
from collections.abc import AsyncIterator, Iterable

from services.kit.errors import Undecodable
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed, SearchRows

CHUNK_BYTES = 512 * 1024
"""About how much JSON is in a chunk."""
_LEVEL = 1  # rows repeat themselves: the lowest level takes them to a tenth


def pack(rows: Iterable[bytes]) -> Packed:
    """Return encoded rows in chunks."""
    chunks: list[bytes] = []
    waiting: list[bytes] = []
    count = size_bytes = waiting_bytes = 0
    for row in rows:
        waiting.append(row)
        count += 1
        waiting_bytes += len(row) + 1
        if waiting_bytes >= CHUNK_BYTES:
            chunks.append(zlib.compress(b",".join(waiting), _LEVEL))
            size_bytes += waiting_bytes
            waiting, waiting_bytes = [], 0
    if waiting:
        chunks.append(zlib.compress(b",".join(waiting), _LEVEL))
    return Packed(chunks, count, size_bytes + waiting_bytes)


def unpack(chunk: bytes) -> bytes:
    """Return the JSON of a chunk.

    Raises:
        Undecodable: it is damaged.
    """
    try:
        return zlib.decompress(chunk)
    except zlib.error as error:
        raise Undecodable("rows_damaged", f"rows of a search cannot be read: {error}") from error


async def read_part(store: SearchRows, key: QueryKey, part: int, chunks: int) -> AsyncIterator[bytes]:
    """Yield the JSON of each chunk of a part.

    Raises:
        Undecodable: a chunk is damaged or gone.
    """
    for number in range(chunks):
        chunk = await store.get(key, part, number)
        if chunk is None:
            raise Undecodable("rows_gone", f"rows of {key.id} were removed while they were read")
        yield unpack(chunk)


async def read_result(store: SearchRows, key: QueryKey) -> AsyncIterator[bytes]:
    """Yield the JSON of each chunk of a complete search: what was joined, else its parts, one after the other."""
    recorded = await store.recorded(key)
    joined = sorted((part for part in recorded if part < 0), reverse=True)
    for part in joined or sorted(recorded):
        async for rows in read_part(store, key, part, recorded[part].chunks):
            yield rows
