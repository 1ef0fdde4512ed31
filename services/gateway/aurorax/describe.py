"""Searches in words."""

from collections.abc import Iterable

from fastapi import APIRouter, Request

from contracts.http.aurorax import (
    ConjunctionQuery,
    DataProductQuery,
    Filters,
    SearchQuery,
    SourceCriteria,
)
from contracts.v1.search import SearchType
from services.kit.aurorax import PREFIX, SEARCH_TYPES, read_json, read_query
from services.kit.errors import Refused
from services.kit.http import Reader

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_KINDS: dict[str, SearchType] = {**SEARCH_TYPES, "conjunction": "conjunction"}


@router.post("/utils/describe/query/{kind}")
async def describe_query(kind: str, request: Request, caller: Reader) -> str:
    """Answer with the query in words."""
    del caller
    search_type = _KINDS.get(kind)
    if search_type is None:
        raise Refused("not_found")
    return describe(read_query(search_type, await read_json(request)))


def describe(query: SearchQuery) -> str:
    """Return the query in words."""
    start, end = (f"{time:%Y-%m-%dT%H:%M:%S}" for time in (query.start, query.end))
    if isinstance(query, ConjunctionQuery):
        return _conjunctions(query, start, end)
    if isinstance(query, DataProductQuery):
        sources = _sources(query.data_sources, query.data_sources.data_product_metadata_filters)
        types = f" AND data_product_type in ({', '.join(query.data_product_type_filters)})"
        times = f"data_product start >= {start} UTC AND data_product end <= {end} UTC"
        return f"Find data_products for ({sources}) AND {times}{types if query.data_product_type_filters else ''}"
    sources = _sources(query.data_sources, query.data_sources.ephemeris_metadata_filters)
    return f"Find ephemeris for ({sources}) AND epoch between {start} and {end} UTC"


def _conjunctions(query: ConjunctionQuery, start: str, end: str) -> str:
    blocks = []
    for name, block in query.source_blocks:
        hemisphere = f" in hemisphere ({', '.join(block.hemisphere)})" if block.hemisphere else ""
        blocks.append(f"{name}=({_sources(block, block.ephemeris_metadata_filters)}{hemisphere})")
    for number, place in enumerate(query.adhoc, 1):
        points = ", ".join(f"{point.lat:g} {point.lon:g}" for point in place.locations)
        blocks.append(f"adhoc{number}=(locations ({points}))")
    limits = [
        f"{first}-{second}={limit:g} km"
        for index, first in enumerate(query.names)
        for second in query.names[index + 1 :]
        if (limit := query.limit_km(first, second)) is not None
    ]
    having = f" HAVING max distances between location points of {', '.join(limits)}" if limits else ""
    return (
        f"Find conjunctions of type ({', '.join(query.types)}) with epoch precision of {30 if query.precise else 60} "
        f"seconds between data sources of {' AND '.join(blocks)} "
        f"WHERE epochs are between {start} AND {end} UTC{having}."
    )


def _sources(criteria: SourceCriteria, filters: Filters) -> str:
    fields = (
        ("program", criteria.programs),
        ("platform", criteria.platforms),
        ("instrument_type", criteria.instrument_types),
    )
    named = " AND ".join(f"{name} in ({', '.join(values)})" for name, values in fields if values) or "any source"
    return f"{named} filtered by metadata ({_filters(filters)})" if filters.expressions else named


def _filters(filters: Filters) -> str:
    return f" {filters.logical_operator} ".join(
        f"{each.key} {each.operator} {_values(each.values)}" for each in filters.expressions
    )


def _values(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
