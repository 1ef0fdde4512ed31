"""What a worker stores of a part of a conjunction search: finished rows as the client reads them, and open ones.

Open rows touch a border of the part: only they may be one with rows of its neighbours, so the assembler reads nothing
else. They are in the last chunks, as columns, each with the place among the finished rows where it would stand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from contracts.http.aurorax import SourceInfo
from services.kit.errors import Undecodable
from services.kit.search_rows import CHUNK_BYTES, Packer, Place
from services.kit.store.port import Packed
from services.search.conjunction_rows import render
from services.search.engine.conjunctions import Conjunctions, Pair, concatenate, in_order
from services.search.engine.joining import Part, touches

_ROWS_PER_CHUNK = 5_000
_COLUMNS = ("trace", "sources", "start_s", "end_s", "closest_s", "farthest_s", "pair_min_km", "pair_max_km")


@dataclass(frozen=True, slots=True)
class OpenRows:
    """The open rows of a part in order, and the place of each among the finished ones."""

    rows: Conjunctions
    places: Sequence[Place]


def pack_part(part: Part, precision_s: int, names: Mapping[int, SourceInfo], chunk_bytes: int = CHUNK_BYTES) -> Packed:
    """Return the chunks of a part: those of finished rows, then those of open ones; none of a part without rows."""
    table = in_order(part.rows)
    if not len(table):
        return Packed((), 0, 0)
    is_open = touches(Part(part.span, table), precision_s)
    finished = render(table.take(~is_open), names)
    packer = Packer(chunk_bytes)
    places: list[Place] = []
    for touching in is_open.tolist():
        if touching:
            places.append(packer.place)
        else:
            packer.add(next(finished))
    packed = packer.packed()
    still_open = _encode(OpenRows(table.take(is_open), places), len(packed.chunks))
    return Packed((*packed.chunks, *still_open), len(table), packed.size_bytes)


def finished_chunks(last_chunk: bytes) -> int:
    """Return how many of a part's chunks hold finished rows, by its last chunk.

    Raises:
        Undecodable: it is damaged.
    """
    return int(_load(last_chunk)["finished"])


def open_rows(chunks: Sequence[bytes], blocks: int, pairs: tuple[Pair, ...]) -> OpenRows:
    """Return the rows of a part's open chunks.

    Raises:
        Undecodable: they are damaged.
    """
    tables, places = [Conjunctions.none(blocks, pairs)], list[Place]()
    for chunk in chunks:
        columns = _load(chunk)
        tables.append(Conjunctions(pairs, *(columns[name] for name in _COLUMNS)))
        places += map(Place._make, columns["places"].tolist())
    return OpenRows(concatenate(tables), places)


def _encode(still_open: OpenRows, finished: int) -> Iterator[bytes]:
    """Yield at least one chunk: the last chunk of a part always tells which are before."""
    table, places = still_open.rows, np.array(still_open.places, np.int64).reshape(-1, 2)
    for first in range(0, max(1, len(table)), _ROWS_PER_CHUNK):
        chosen = slice(first, first + _ROWS_PER_CHUNK)
        columns = {name: getattr(table, name)[chosen] for name in _COLUMNS}
        buffer = BytesIO()
        np.savez_compressed(buffer, finished=np.int64(finished), places=places[chosen], **columns)
        yield buffer.getvalue()


def _load(chunk: bytes) -> Mapping[str, np.ndarray]:
    try:
        with np.load(BytesIO(chunk), allow_pickle=False) as columns:
            return {name: columns[name] for name in (*_COLUMNS, "finished", "places")}
    except (ValueError, KeyError, OSError) as error:
        raise Undecodable("rows_damaged", f"the rows of a part cannot be read: {error}") from error
