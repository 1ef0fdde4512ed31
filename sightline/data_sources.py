"""The calls about data sources and their records."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict, TypeVar

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter, ValidationError

from contracts.http.aurorax import SourceInfo
from contracts.http.ephemeris import EphemerisStored, EphemerisUpload
from contracts.http.sources import SourceExtent
from sightline.calls import Call, Reply, json_text, reader
from sightline.errors import NotSightline

T = TypeVar("T")

_PATH = "/api/v1/data_sources"
_JSON = {"content-type": "application/json"}
_LIST = TypeAdapter(tuple[SourceInfo, ...])
_EXTENTS = TypeAdapter(tuple[SourceExtent, ...])


class SourceCriteria(TypedDict, total=False):
    """Which sources."""

    program: str
    platform: str
    instrument_type: str


class NewSource(TypedDict):
    """A data source to add, as docs/aurorax.md describes one."""

    identifier: NotRequired[int]
    program: str
    platform: str
    instrument_type: str
    source_type: str
    display_name: str
    metadata: NotRequired[dict[str, Any]]
    ephemeris_metadata_schema: NotRequired[list[dict[str, Any]]]


def find(criteria: Mapping[str, str]) -> Call[tuple[SourceInfo, ...]]:
    """List the sources that are exactly this: program, platform, instrument_type."""
    return Call(method="GET", path=_PATH, params=tuple(criteria.items()), read=_reader(_LIST))


def extents(criteria: Mapping[str, str]) -> Call[tuple[SourceExtent, ...]]:
    """List the same sources, and how much there is of each."""
    params = (*criteria.items(), ("include_stats", "true"))
    return Call(method="GET", path=_PATH, params=params, read=_reader(_EXTENTS))


def create(source: Mapping[str, Any]) -> Call[SourceInfo]:
    """Add a source; without an identifier it gets the next one."""
    content = json_text(dict(source), "invalid_parameter").encode()
    return Call(method="POST", path=_PATH, headers=_JSON, content=content, read=reader(SourceInfo))


def put_ephemeris(identifier: int, upload: EphemerisUpload) -> Call[EphemerisStored]:
    """Put days of ephemeris, over what there is of their minutes."""
    return Call(
        method="PUT",
        path=f"/v1/ephemeris/{identifier}",
        headers=_JSON,
        content=upload.model_dump_json(exclude_none=True).encode(),
        read=reader(EphemerisStored),
    )


def put_data_products(source: SourceInfo, products: Sequence[Mapping[str, Any]]) -> Call[int]:
    """Put data products, over those of the same addresses; the reply is how many there are of them."""
    rows = [{**_names(source), **product} for product in products]
    return _change("POST", f"{_PATH}/{source.identifier}/data_products", rows)


def delete_data_products(source: SourceInfo, urls: Sequence[str]) -> Call[int]:
    """Delete the data products of these addresses; the reply is how many were there."""
    return _change("DELETE", f"{_PATH}/{source.identifier}/data_products", {**_names(source), "urls": list(urls)})


def delete_ephemeris(source: SourceInfo, start: datetime, end: datetime) -> Call[int]:
    """Delete the minutes of a span, both ends included; the reply is how many were there."""
    span = {"start": start.isoformat(), "end": end.isoformat()}
    return _change("DELETE", f"{_PATH}/{source.identifier}/ephemeris", {**_names(source), **span})


class _Count(BaseModel):
    count: int = Field(validation_alias=AliasChoices("stored", "deleted"))


def _change(method: str, path: str, body: object) -> Call[int]:
    content = json_text(body, "invalid_parameter").encode()
    return Call(method=method, path=path, headers=_JSON, content=content, read=_count)


def _count(reply: Reply) -> int:
    return reader(_Count)(reply).count


def _names(source: SourceInfo) -> dict[str, str]:
    """Return what guards against a wrong identifier."""
    return {"program": source.program, "platform": source.platform, "instrument_type": source.instrument_type}


def _reader(adapter: TypeAdapter[T]) -> Callable[[Reply], T]:
    def read(reply: Reply) -> T:
        try:
            return adapter.validate_json(reply.body)
        except ValidationError:
            raise NotSightline(f"the answer is no list of data sources (HTTP {reply.status})") from None

    return read
