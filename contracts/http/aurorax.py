"""The bodies of the AuroraX surface: the searches that the PyPI client `pyaurorax` sends, read and checked.

What the client cannot have meant is an error that names the place. Unknown keys are left alone: blocks that users
write as plain dictionaries come through as they are.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from contracts.http.base import Resource
from contracts.v1.search import SearchType

Operator = Literal["=", "!=", ">", "<", ">=", "<=", "between", "in", "not in"]
ConjunctionType = Literal["nbtrace", "sbtrace", "geographic"]
BlockKind = Literal["ground", "space", "events", "adhoc"]
Hemisphere = Literal["northern", "southern"]
BLOCK_KINDS: tuple[BlockKind, ...] = ("ground", "space", "events", "adhoc")
FEWEST_BLOCKS, MOST_BLOCKS = 2, 10
_FIRST_YEAR, _LAST_YEAR = 1950, 2100
_COUNTS: Mapping[str, tuple[int, float]] = {"between": (2, 2), "in": (1, math.inf), "not in": (1, math.inf)}


def _utc_second(value: object) -> datetime:
    """Return the instant as the client writes it: without a zone it is UTC; fractions are cut."""
    if not isinstance(value, str):
        raise ValueError("a time like 2020-01-01T00:00:00")  # noqa: TRY004 - pydantic reports a ValueError
    try:
        time = datetime.fromisoformat(value)
        time = (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise ValueError("a time like 2020-01-01T00:00:00") from None
    if not _FIRST_YEAR <= time.year < _LAST_YEAR:
        raise ValueError(f"a time of the years {_FIRST_YEAR} to {_LAST_YEAR - 1}")
    return time


def _empty_if_none(value: object) -> object:
    return () if value is None else value


def _filters(value: object) -> object:
    """Return the filters of every age in one form: null and {} are none, a bare list is AND."""
    if value is None:
        return {}
    return {"expressions": value} if isinstance(value, list) else value


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list) else [value]


UtcSecond = Annotated[datetime, BeforeValidator(_utc_second)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_empty_if_none), Field(max_length=1000)]
FilterValue = Annotated[str, StringConstraints(max_length=500)] | StrictBool | int | float
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _FromClient(Resource):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Expression(_FromClient):
    """One condition on the metadata of a record."""

    key: Word
    operator: Operator
    values: Annotated[tuple[FilterValue, ...], BeforeValidator(_one_or_more), Field(max_length=1000)]

    @model_validator(mode="after")
    def _check_count(self) -> Self:
        least, most = _COUNTS.get(self.operator, (1, 1))
        if not least <= len(self.values) <= most:
            wanted = "at least one value" if most == math.inf else f"{least} value{'s' * (least > 1)}"
            raise ValueError(f"{self.operator} takes {wanted}")
        return self


class Filters(_FromClient):
    """Conditions on metadata; none admits everything."""

    logical_operator: Annotated[Literal["AND", "OR"], BeforeValidator(lambda value: value or "AND")] = "AND"
    expressions: Annotated[tuple[Expression, ...], BeforeValidator(_empty_if_none), Field(max_length=100)] = ()


FilterField = Annotated[Filters, BeforeValidator(_filters)]


class SourceCriteria(_FromClient):
    """Which sources: values of a field are alternatives, fields must all fit, an empty field admits all."""

    programs: Words = ()
    platforms: Words = ()
    instrument_types: Words = ()


class Block(SourceCriteria):
    """One criteria block of a conjunction search."""

    hemisphere: Annotated[tuple[Hemisphere, ...], BeforeValidator(_empty_if_none)] = ()
    ephemeris_metadata_filters: FilterField = Filters()


class Location(_FromClient):
    """A point in degrees."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-360, le=360)]


class AdhocBlock(_FromClient):
    """Custom locations; they are there at all times."""

    locations: Annotated[tuple[Location, ...], BeforeValidator(_empty_if_none), Field(max_length=1000)] = ()


Blocks = Annotated[tuple[Block, ...], BeforeValidator(_empty_if_none)]


class _Span(_FromClient):
    start: UtcSecond
    end: UtcSecond

    @model_validator(mode="after")
    def _check_span(self) -> Self:
        if self.end < self.start:
            raise ValueError("end must not lie before start")
        return self


class ConjunctionQuery(_Span):
    """When 2 to 10 blocks of sources were near each other."""

    ground: Blocks = ()
    space: Blocks = ()
    events: Blocks = ()
    adhoc: Annotated[tuple[AdhocBlock, ...], BeforeValidator(_empty_if_none)] = ()
    conjunction_types: Annotated[tuple[ConjunctionType, ...], BeforeValidator(_empty_if_none)] = ()
    max_distances: Annotated[dict[str, Distance | None], BeforeValidator(lambda value: value or {})] = Field({})
    epoch_search_precision: Annotated[int, Field(ge=1, le=60)] | None = None
    subminute_precision: bool | None = None

    @model_validator(mode="after")
    def _check_blocks(self) -> Self:
        if not FEWEST_BLOCKS <= len(self.names) <= MOST_BLOCKS:
            raise ValueError(f"{FEWEST_BLOCKS} to {MOST_BLOCKS} blocks of sources; there are {len(self.names)}")
        pairs = {f"{a}-{b}" for pair in combinations(self.names, 2) for a, b in (pair, pair[::-1])}
        for key in self.max_distances:
            if key not in pairs:
                raise ValueError(f"max_distances: {key[:50]!r} is not a pair of blocks of this query")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks in their order: ground1, ground2, space1, ..."""
        return tuple(f"{kind}{number}" for kind in BLOCK_KINDS for number in range(1, len(getattr(self, kind)) + 1))

    @property
    def source_blocks(self) -> Iterator[tuple[str, Block]]:
        """The blocks that select sources, by name."""
        for kind in ("ground", "space", "events"):
            for number, block in enumerate(getattr(self, kind), 1):
                yield f"{kind}{number}", block

    @property
    def types(self) -> tuple[ConjunctionType, ...]:
        """What positions are compared; none given means the north trace."""
        return tuple(dict.fromkeys(self.conjunction_types)) or ("nbtrace",)

    @property
    def precise(self) -> bool:
        """True when the search looks between the minutes."""
        if self.subminute_precision is not None:
            return self.subminute_precision
        return self.epoch_search_precision is not None and self.epoch_search_precision < 60

    def limit_km(self, first: str, second: str) -> float | None:
        """Return how far apart two blocks may be; None when it does not matter.

        A pair of ground blocks that is not mentioned must be at one place.
        """
        for key in (f"{first}-{second}", f"{second}-{first}"):
            if key in self.max_distances:
                return self.max_distances[key]
        return 0.0 if first.startswith("ground") and second.startswith("ground") else None


class EphemerisCriteria(SourceCriteria):
    """Which sources and which of their records."""

    ephemeris_metadata_filters: FilterField = Filters()


class EphemerisQuery(_Span):
    """The ephemeris of sources."""

    data_sources: EphemerisCriteria = EphemerisCriteria()


class DataProductCriteria(SourceCriteria):
    """Which sources and which of their products."""

    data_product_metadata_filters: FilterField = Filters()


class DataProductQuery(_Span):
    """The data products of sources."""

    data_sources: DataProductCriteria = DataProductCriteria()
    data_product_type_filters: Words = ()


SearchQuery = ConjunctionQuery | EphemerisQuery | DataProductQuery
QUERIES: Mapping[SearchType, type[SearchQuery]] = {
    "conjunction": ConjunctionQuery,
    "ephemeris": EphemerisQuery,
    "data_product": DataProductQuery,
}


class SourceInfo(Resource):
    """A data source as results name it; the client takes no other keys."""

    identifier: int
    program: str
    platform: str
    instrument_type: str
    source_type: str
    display_name: str


class SearchRequestInfo(Resource):
    """What was asked. `query` has the request's ID in it."""

    request_id: str
    query: Any
    requested: datetime
    request_type: SearchType


class SearchResultInfo(Resource):
    """How it ended: the client waits until `data_uri` is set, also by a search that failed."""

    data_uri: str | None = None
    result_count: int | None = None
    file_size: int | None = None
    completed_timestamp: datetime | None = None
    query_duration: int | None = None
    """Milliseconds."""
    error_condition: bool = False
    result_file_deleted_timestamp: datetime | None = None


class LogLine(Resource):
    """One line of what happened."""

    timestamp: datetime
    level: Literal["debug", "info", "warn", "error"]
    summary: str


class SearchStatus(Resource):
    """The status of a search, in every key that the client reads."""

    search_request: SearchRequestInfo
    search_result: SearchResultInfo
    logs: tuple[LogLine, ...]


class ListedSearch(Resource):
    """A row of the administrator's list."""

    search_type: SearchType
    ip_address: str = ""
    request_id: str
    requested: datetime
    active: bool
    query_duration: int | None
    result_file_exists: bool
    file_size: int | None
    result_count: int | None
    error_condition: bool


class SurfaceError(Resource):
    """An error as the client reads it."""

    error_code: str
    error_message: str
