"""The ephemeris search: the records of sources, chronological, then by source."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from contracts.http.aurorax import EphemerisQuery
from services.kit.search_rows import pack
from services.kit.sources import read_sources, select, source_info
from services.kit.store.ephemeris import COLUMNS, DAY_MINUTES, EphemerisDay, EphemerisRecord, unpack
from services.kit.store.port import Packed, Store
from services.search.engine.filters import MetadataFilter
from services.search.filters import compile_filters
from services.search.processor import Compute
from services.search.rendering import ephemeris_row, minute_of, source_json
from services.search.spans import Span

_ALMOST_A_MINUTE = timedelta(seconds=59)


async def find_ephemeris(store: Store, compute: Compute, tenant: str, query: EphemerisQuery, span: Span) -> Packed:
    """Return the rows of one span."""
    found = select(await read_sources(store, tenant), query.data_sources)
    first, last = minute_of(span.start + _ALMOST_A_MINUTE), minute_of(span.end)
    identifiers = [source.identifier for source in found]
    days = await store.ephemeris.read(tenant, identifiers, first // DAY_MINUTES, last // DAY_MINUTES + 1, COLUMNS)
    names = {source.identifier: source_json(source_info(source)) for source in found}
    wanted = compile_filters(query.data_sources.ephemeris_metadata_filters)
    return await compute(lambda: _pack(days, names, range(first, last + 1), wanted))


def _pack(
    days: Mapping[int, Sequence[EphemerisDay]],
    names: Mapping[int, bytes],
    minutes: range,
    wanted: MetadataFilter | None,
) -> Packed:
    return pack(ephemeris_row(names[source], record) for source, record in _records(days, minutes, wanted))


def _records(
    days: Mapping[int, Sequence[EphemerisDay]], minutes: range, wanted: MetadataFilter | None
) -> Iterator[tuple[int, EphemerisRecord]]:
    """Yield a day at a time: sorted within it, and the days follow each other."""
    by_day: dict[int, list[tuple[int, EphemerisDay]]] = {}
    for source, kept in days.items():
        for day in kept:
            by_day.setdefault(day.day, []).append((source, day))
    for _, kept_days in sorted(by_day.items()):
        records = [(source, record) for source, day in kept_days for record in unpack(day) if record.minute in minutes]
        records.sort(key=lambda item: (item[1].minute, item[0]))
        passing = {text: wanted is None or wanted.matches_json(text) for text in {r.metadata_json for _, r in records}}
        yield from ((source, record) for source, record in records if passing[record.metadata_json])
