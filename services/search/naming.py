"""What the rows of a conjunction search call its sources: those of the store, and the custom locations of the query."""

from collections.abc import Iterable, Mapping

from contracts.http.aurorax import ConjunctionQuery, SourceInfo
from services.kit.sources import source_info
from services.kit.store.records import SourceRecord


def names_of(sources: Iterable[SourceRecord], query: ConjunctionQuery) -> Mapping[int, SourceInfo]:
    """Return the names by identifier; custom locations count down from -1."""
    names = {source.identifier: source_info(source) for source in sources}
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


def removed(source: int) -> SourceInfo:
    """Return the name of a source that was removed while the search ran."""
    return SourceInfo(
        identifier=source,
        program="removed",
        platform="removed",
        instrument_type="removed",
        source_type="not_applicable",
        display_name=f"removed source {source}",
    )
