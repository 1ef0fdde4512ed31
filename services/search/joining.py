"""The parts of a conjunction search joined across their borders, and their rows as the client reads them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from contracts.http.aurorax import ConjunctionQuery, SourceInfo
from services.kit.errors import Undecodable
from services.kit.search_rows import pack
from services.kit.sources import read_sources, source_info
from services.kit.store.documents import QueryKey
from services.kit.store.port import Packed, RecordedPart, Store
from services.search import tables
from services.search.conjunctions import precision_of, stretch_of, terms_of
from services.search.engine.conjunctions import Conjunction, Conjunctions
from services.search.engine.joining import Join, Part
from services.search.rendering import at_second, time_text, to_json
from services.search.spans import Span


async def joined_parts(
    store: Store, key: QueryKey, query: ConjunctionQuery, spans: Sequence[Span], recorded: Mapping[int, RecordedPart]
) -> AsyncIterator[tuple[int, Packed]]:
    """Yield each part's number and the rows that begin in it. One part is in memory at a time.

    Raises:
        Undecodable: a part is damaged or gone.
    """
    names = await _names(store, key.tenant, query)
    joining = Join(precision_of(query))
    for number, span in enumerate(spans, 1):
        joining.learn(Part(stretch_of(span), await _load(store, key, query, number, recorded[number].chunks)))
    for number, span in enumerate(spans, 1):
        part = Part(stretch_of(span), await _load(store, key, query, number, recorded[number].chunks))
        yield number, await asyncio.to_thread(_render, joining.emit(part), names)


async def _load(store: Store, key: QueryKey, query: ConjunctionQuery, part: int, count: int) -> Conjunctions:
    chunks = [await store.search_rows.get(key, part, number) for number in range(count)]
    whole = [chunk for chunk in chunks if chunk is not None]
    if len(whole) < count:
        raise Undecodable("rows_gone", f"part {part} of {key.id} was removed while it was read")
    pairs = terms_of(query, query.types[0]).counted
    return await asyncio.to_thread(tables.decode, whole, len(query.names), pairs)


async def _names(store: Store, tenant: str, query: ConjunctionQuery) -> Mapping[int, SourceInfo]:
    names = {source.identifier: source_info(source) for source in await read_sources(store, tenant)}
    number = 0
    for block in query.adhoc:
        for location in block.locations:
            number += 1
            place = f"{location.lat:g}, {location.lon:g}"
            names[-number] = SourceInfo(
                identifier=-number,
                program="adhoc",
                platform=place,
                instrument_type="custom location",
                source_type="not_applicable",
                display_name=place,
            )
    return names


def _render(table: Conjunctions, names: Mapping[int, SourceInfo]) -> Packed:
    texts: dict[int, bytes] = {}
    return pack(_row(row, names, texts) for row in table.rows())


def _row(row: Conjunction, names: Mapping[int, SourceInfo], texts: dict[int, bytes]) -> bytes:
    def named(source: int) -> bytes:
        if source not in texts:
            texts[source] = to_json((names.get(source) or _removed(source)).model_dump())
        return texts[source]

    start, end = time_text(at_second(row.start_s)), time_text(at_second(row.end_s))
    shared = {"conjunction_type": row.trace, "start": start, "end": end}
    head = shared | {
        "closest_epoch": time_text(at_second(row.closest_s)),
        "farthest_epoch": time_text(at_second(row.farthest_s)),
        "min_distance": row.min_km,
        "max_distance": row.max_km,
    }
    events = [
        b'{"e1_source":%b,"e2_source":%b,%b}'
        % (
            named(event.sources[0]),
            named(event.sources[1]),
            to_json(shared | {"min_distance": event.min_km, "max_distance": event.max_km})[1:-1],
        )
        for event in row.events
    ]
    return b'{%b,"data_sources":[%b],"events":[%b]}' % (
        to_json(head)[1:-1],
        b",".join(map(named, row.sources)),
        b",".join(events),
    )


def _removed(source: int) -> SourceInfo:
    """Stand for a source that was removed while the search ran."""
    return SourceInfo(
        identifier=source,
        program="removed",
        platform="removed",
        instrument_type="removed",
        source_type="not_applicable",
        display_name=f"removed source {source}",
    )
