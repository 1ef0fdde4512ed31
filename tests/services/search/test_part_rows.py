"""What the parts of a conjunction search leave in the store, and that they are read as one result."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.http.aurorax import ConjunctionQuery
from services.kit.errors import Undecodable
from services.kit.search_rows import CHUNK_BYTES, read_result
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed
from services.kit.store.sqlite import SqliteStore
from services.search.conjunctions import find_conjunctions
from services.search.joining import joined_parts
from services.search.part_rows import finished_chunks
from services.search.processor import Processor
from services.search.spans import Span, cut
from tests.support.searching import TENANT, conjunction_query, load_sources

QUERY = ConjunctionQuery.model_validate(conjunction_query(conjunction_types=["nbtrace", "geographic"]))
KEY = QueryKey(TENANT, "sr_" + "0" * 27)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite") as opened:
        await load_sources(opened)
        yield opened


async def _work(store: SqliteStore, span: Span, chunk_bytes: int, *, whole: bool = False) -> Packed:
    async with AsyncExitStack() as stack:
        compute = Processor(stack).of(short=True)
        return await find_conjunctions(store, compute, TENANT, QUERY, span, whole=whole, chunk_bytes=chunk_bytes)


async def _rows(store: SqliteStore, spans: Sequence[Span], chunk_bytes: int = CHUNK_BYTES) -> list[dict[str, Any]]:
    """Work the parts, join them, read the whole."""
    for number, span in enumerate(spans, 1):
        packed = await _work(store, span, chunk_bytes)
        await store.search_rows.put(KEY, number, packed, None)
    recorded = await store.search_rows.recorded(KEY)
    joined: list[Packed] = []
    async for number, packed in joined_parts(store, KEY, QUERY, spans, recorded):
        await store.search_rows.put(KEY, -number, packed, None)
        joined.append(packed)
    return await _read(store, joined)


async def _whole(store: SqliteStore, chunk_bytes: int) -> list[dict[str, Any]]:
    """Work everything as the only part of its search, read it."""
    (span,) = cut(QUERY.start, QUERY.end, 366)
    packed = await _work(store, span, chunk_bytes, whole=True)
    await store.search_rows.put(KEY, -1, packed, None)
    return await _read(store, [packed])


async def _read(store: SqliteStore, written: Sequence[Packed]) -> list[dict[str, Any]]:
    text = b",".join([chunk async for chunk in read_result(store.search_rows, KEY)])
    rows: list[dict[str, Any]] = json.loads(b"[" + text + b"]")
    assert sum(packed.rows for packed in written) == len(rows)
    assert sum(packed.size_bytes for packed in written) == len(text) + 1
    await store.search_rows.delete(KEY)
    return rows


def _parts(length: timedelta) -> Sequence[Span]:
    """Parts that begin anywhere, also in the middle of rows."""
    start, spans = QUERY.start, list[Span]()
    while start <= QUERY.end:
        spans.append(Span(start, min(start + length - SECOND, QUERY.end)))
        start += length
    return spans


@pytest.mark.parametrize("minutes", [3 * 1440, 1440, 601, 97, 48.5])
@pytest.mark.parametrize("chunk_bytes", [1, 3000, CHUNK_BYTES])
async def test_the_result_is_the_same_however_it_is_cut_into_parts_and_chunks(
    store: SqliteStore, minutes: float, chunk_bytes: int
) -> None:
    whole = await _whole(store, chunk_bytes)
    assert len(whole) > 100
    assert await _rows(store, _parts(timedelta(minutes=minutes)), chunk_bytes) == whole


async def test_rows_that_touch_no_border_are_written_once(store: SqliteStore) -> None:
    (span,) = cut(QUERY.start, QUERY.end, 366)
    packed = await _work(store, span, 3000)
    await store.search_rows.put(KEY, 1, packed, None)
    recorded = await store.search_rows.recorded(KEY)
    [(_, joined)] = [each async for each in joined_parts(store, KEY, QUERY, [span], recorded)]
    assert finished_chunks(packed.chunks[-1]) == len(packed.chunks) - 1 > 20
    assert sum(len(chunk) > 4 for chunk in joined.chunks) <= 2


async def test_a_part_that_is_damaged_is_said_so(store: SqliteStore) -> None:
    spans = cut(QUERY.start, QUERY.end, 366)
    await store.search_rows.put(KEY, 1, Packed([b"nothing of ours"], 1, 1), None)
    recorded = await store.search_rows.recorded(KEY)
    with pytest.raises(Undecodable, match="cannot be read"):
        [each async for each in joined_parts(store, KEY, QUERY, spans, recorded)]
