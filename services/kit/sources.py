"""Finding data sources: by what the blocks of a search ask for."""

from collections.abc import Collection, Iterable, Sequence

from contracts.http.aurorax import SourceCriteria, SourceInfo
from services.kit.store.port import Cursor, Store
from services.kit.store.records import SourceRecord

_AT_ONCE = 500


async def read_sources(store: Store, tenant: str) -> Sequence[SourceRecord]:
    """Return every source of the tenant, by identifier; there are hundreds, not millions."""
    found: list[SourceRecord] = []
    cursor: Cursor | None = None
    while True:
        page = await store.sources.page(tenant, cursor, _AT_ONCE)
        found += page.items
        cursor = page.next
        if cursor is None:
            return sorted(found, key=lambda source: source.identifier)


def select(sources: Iterable[SourceRecord], criteria: SourceCriteria) -> list[SourceRecord]:
    """Return the sources that fit: any value of each field, and every field that names one."""
    return [
        source
        for source in sources
        if _fits(source.program, criteria.programs)
        and _fits(source.platform, criteria.platforms)
        and _fits(source.instrument_type, criteria.instrument_types)
    ]


def source_info(source: SourceRecord) -> SourceInfo:
    """Return what results say of a source."""
    return SourceInfo(
        identifier=source.identifier,
        program=source.program,
        platform=source.platform,
        instrument_type=source.instrument_type,
        source_type=source.source_type,
        display_name=source.name,
    )


def _fits(value: str, wanted: Collection[str]) -> bool:
    return not wanted or value in wanted
