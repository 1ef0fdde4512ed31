"""The conjunction search: from a query and the store's columns to the engine's rows of a part."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from contracts.http.aurorax import Block, ConjunctionQuery
from services.kit.search_rows import CHUNK_BYTES, pack
from services.kit.sources import read_sources, select
from services.kit.store.ephemeris import COLUMNS, DAY_MINUTES, Column, EphemerisDay
from services.kit.store.port import Packed, Store
from services.search.conjunction_rows import render
from services.search.engine.columns import SourceColumns, columns_for, columns_of, track_of
from services.search.engine.conjunctions import Conjunctions, Pair, Trace, concatenate, in_order
from services.search.engine.joining import Part
from services.search.engine.search import Terms, find
from services.search.engine.tracks import Span as Stretch
from services.search.engine.tracks import Track
from services.search.filters import compile_filters
from services.search.naming import names_of
from services.search.part_rows import pack_part
from services.search.processor import Compute
from services.search.spans import Span

_SUBMINUTE_S = 30
_MINUTE_S = 60


def precision_of(query: ConjunctionQuery) -> int:
    """Return the seconds between the moments that are looked at."""
    return _SUBMINUTE_S if query.precise else _MINUTE_S


def terms_of(query: ConjunctionQuery, trace: Trace) -> Terms:
    """Return what the engine is asked, for one trace."""
    names = query.names
    limits = {Pair(a, b): query.limit_km(names[a], names[b]) for a, b in combinations(range(len(names)), 2)}
    return Terms(blocks=len(names), limits_km=limits, trace=trace, precision_s=precision_of(query))


def stretch_of(span: Span) -> Stretch:
    """Return a part's time as the engine takes it."""
    return Stretch(int(span.start.timestamp()), int(span.end.timestamp()) + 1)


async def find_conjunctions(
    store: Store,
    compute: Compute,
    tenant: str,
    query: ConjunctionQuery,
    span: Span,
    *,
    whole: bool = False,
    chunk_bytes: int = CHUNK_BYTES,
) -> Packed:
    """Return the rows of one span: finished ones, and those that the assembler may have to join.

    A span that is the `whole` of the search has finished ones only, and is its result.

    Raises:
        Refused: `invalid_parameter`, too much meets at one moment.
    """
    stretch = stretch_of(span)
    sources = await read_sources(store, tenant)
    first, until = stretch.minutes()
    days = (first // DAY_MINUTES, (until - 1) // DAY_MINUTES + 1)
    read = []
    for _, block in query.source_blocks:
        chosen = [source.identifier for source in select(sources, block)]
        read.append(await store.ephemeris.read(tenant, chosen, *days, _columns(block, query)))

    names = names_of(sources, query)

    def found() -> Conjunctions:
        return _find(query, read, stretch)

    if whole:
        return await compute(lambda: pack(render(in_order(found()), names), chunk_bytes))
    # In two steps: a short search that comes meanwhile need not wait for both.
    part = Part(stretch, await compute(found))
    return await compute(lambda: pack_part(part, precision_of(query), names, chunk_bytes))


def _columns(block: Block, query: ConjunctionQuery) -> Sequence[Column]:
    """Return what is needed of a block's sources, for every trace."""
    wanted = compile_filters(block.ephemeris_metadata_filters)
    needed = {
        column
        for trace in query.types
        for column in columns_for(trace, hemispheres=block.hemisphere, metadata_filter=wanted)
    }
    return [column for column in COLUMNS if column in needed]


def _find(
    query: ConjunctionQuery, read: Sequence[Mapping[int, Sequence[EphemerisDay]]], stretch: Stretch
) -> Conjunctions:
    first, until = stretch.minutes()
    columns = [[columns_of(source, days, first, until) for source, days in block.items() if days] for block in read]
    found = []
    for trace in query.types:
        blocks = [
            [_track(each, trace, block) for each in found_columns]
            for found_columns, (_, block) in zip(columns, query.source_blocks, strict=True)
        ]
        found.append(find(terms_of(query, trace), [*blocks, *_places(query)], stretch))
    return concatenate(found)


def _track(columns: SourceColumns, trace: Trace, block: Block) -> Track:
    return track_of(
        columns,
        trace,
        hemispheres=block.hemisphere,
        metadata_filter=compile_filters(block.ephemeris_metadata_filters),
    )


def _places(query: ConjunctionQuery) -> list[list[Track]]:
    """Return the custom locations, block by block; they count down from -1."""
    tracks: list[list[Track]] = []
    number = 0
    for block in query.adhoc:
        tracks.append([])
        for location in block.locations:
            number += 1
            tracks[-1].append(Track.fixed(-number, location.lat, location.lon))
    return tracks
