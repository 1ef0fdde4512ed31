"""The parts of a conjunction search joined across their borders."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from contracts.http.aurorax import ConjunctionQuery, SourceInfo
from services.kit.search_rows import Packer, Place, get_chunk, reference, unpack
from services.kit.sources import read_sources
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed, RecordedPart, Store
from services.search.conjunction_rows import render
from services.search.conjunctions import precision_of, stretch_of, terms_of
from services.search.engine.conjunctions import Conjunctions
from services.search.engine.joining import Join, Part
from services.search.naming import names_of
from services.search.part_rows import OpenRows, finished_chunks, open_rows
from services.search.spans import Span

_MOST_HELD = 50_000
"""Open rows in memory between the two passes; those of further parts are read twice."""


async def joined_parts(
    store: Store, key: QueryKey, query: ConjunctionQuery, spans: Sequence[Span], recorded: Mapping[int, RecordedPart]
) -> AsyncIterator[tuple[int, Packed]]:
    """Yield each part's number and the rows that begin in it; of finished rows at most a chunk is in memory.

    Raises:
        Undecodable: a part is damaged or gone.
    """
    names = names_of(await read_sources(store, key.tenant), query)
    reader = _Reader(store, key, query)
    joining = Join(precision_of(query))
    kept: dict[int, _Read] = {}
    held = 0
    for number, span in enumerate(spans, 1):
        read = await reader.read(number, recorded[number])
        joining.learn(Part(stretch_of(span), read.open.rows))
        if held + len(read.open.rows) <= _MOST_HELD:  # all of them, of nearly every search
            kept[number] = read
            held += len(read.open.rows)
    for number, span in enumerate(spans, 1):
        part = recorded[number]
        read = kept.pop(number) if number in kept else await reader.read(number, part)
        beginning = joining.emit(Part(stretch_of(span), read.open.rows))
        inserted = await asyncio.to_thread(_rendered, beginning, read.open, names)
        rows = part.rows - len(read.open.rows) + len(beginning)
        size_bytes = part.size_bytes + sum(len(row) + 1 for found in inserted.values() for _, row in found)
        yield number, Packed(await reader.chunks(number, read.finished, inserted), rows, size_bytes)


class _Read(NamedTuple):
    open: OpenRows
    finished: int
    """How many chunks of finished rows are before them."""


_Inserted = Mapping[int, Sequence[tuple[int, bytes]]]
"""By chunk: offsets, ascending, and the rows that come there."""


class _Reader:
    """Reads what workers stored of one search."""

    def __init__(self, store: Store, key: QueryKey, query: ConjunctionQuery) -> None:
        self._rows = store.search_rows
        self._key = key
        self._blocks = len(query.names)
        self._pairs = terms_of(query, query.types[0]).counted

    async def read(self, number: int, part: RecordedPart) -> _Read:
        """Return the open rows of a part."""
        if not part.chunks:
            return _Read(open_rows((), self._blocks, self._pairs), 0)
        last = await get_chunk(self._rows, self._key, number, part.chunks - 1)
        finished = finished_chunks(last)
        others = [await get_chunk(self._rows, self._key, number, each) for each in range(finished, part.chunks - 1)]
        return _Read(open_rows((*others, last), self._blocks, self._pairs), finished)

    async def chunks(self, number: int, finished: int, inserted: _Inserted) -> Sequence[bytes]:
        """Return the chunks of the joined part: a reference to each finished one that nothing was inserted into."""
        chunks: list[bytes] = []
        for each in range(max(finished, *(chunk + 1 for chunk in inserted), 0)):
            rows = inserted.get(each)
            if rows is None:
                chunks.append(reference(each))
                continue
            text = unpack(await get_chunk(self._rows, self._key, number, each)) if each < finished else b""
            chunks += _spliced(text, rows)
        return chunks


def _rendered(beginning: Conjunctions, still_open: OpenRows, names: Mapping[int, SourceInfo]) -> _Inserted:
    """Return the rows that begin in a part, each where the open row stands that it begins with."""
    places = dict(zip(_keys(still_open.rows), still_open.places, strict=True))
    inserted: dict[int, list[tuple[int, bytes]]] = {}
    for row_key, row in zip(_keys(beginning), render(beginning, names), strict=True):
        place: Place = places[row_key]
        inserted.setdefault(place.chunk, []).append((place.offset, row))
    return inserted


def _keys(table: Conjunctions) -> Sequence[tuple[int, int, tuple[int, ...]]]:
    return list(
        zip(table.trace.tolist(), table.start_s.tolist(), map(tuple, table.sources.tolist()), strict=True),
    )


def _spliced(text: bytes, rows: Sequence[tuple[int, bytes]]) -> Sequence[bytes]:
    packer = Packer()
    done = 0
    for offset, row in rows:
        if offset > done:
            packer.add(text[done : offset - 1])
            done = offset
        packer.add(row)
    if done < len(text):
        packer.add(text[done:])
    return packer.packed().chunks
