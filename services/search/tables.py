"""The rows of a part of a conjunction search between its worker and the assembler: columns, as NumPy stores them."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np

from services.kit.errors import Undecodable
from services.search.engine.conjunctions import Conjunctions, Pair, concatenate

_ROWS_PER_CHUNK = 5_000
_COLUMNS = ("trace", "sources", "start_s", "end_s", "closest_s", "farthest_s", "pair_min_km", "pair_max_km")


def encode(table: Conjunctions) -> Iterator[bytes]:
    """Yield the table in chunks; none when it has no rows."""
    for first in range(0, len(table), _ROWS_PER_CHUNK):
        rows = table.take(np.arange(first, min(first + _ROWS_PER_CHUNK, len(table))))
        buffer = BytesIO()
        np.savez_compressed(buffer, **{name: getattr(rows, name) for name in _COLUMNS})
        yield buffer.getvalue()


def decode(chunks: list[bytes], blocks: int, pairs: tuple[Pair, ...]) -> Conjunctions:
    """Return the table of a part's chunks.

    Raises:
        Undecodable: they are damaged.
    """
    tables = [Conjunctions.none(blocks, pairs)]
    for chunk in chunks:
        try:
            with np.load(BytesIO(chunk), allow_pickle=False) as columns:
                tables.append(Conjunctions(pairs, *(columns[name] for name in _COLUMNS)))
        except (ValueError, KeyError, OSError) as error:
            raise Undecodable("rows_damaged", f"the rows of a part cannot be read: {error}") from error
    return concatenate(tables)
