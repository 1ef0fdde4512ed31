"""The calls about data sources and their ephemeris."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from pydantic import TypeAdapter, ValidationError

from contracts.http.aurorax import SourceInfo
from contracts.http.ephemeris import EphemerisStored, EphemerisUpload
from sightline.calls import Call, Reply, json_text, reader
from sightline.errors import NotSightline

_PATH = "/api/v1/data_sources"
_JSON = {"content-type": "application/json"}
_LIST = TypeAdapter(tuple[SourceInfo, ...])


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
    return Call(method="GET", path=_PATH, params=tuple(criteria.items()), read=_sources)


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


def _sources(reply: Reply) -> tuple[SourceInfo, ...]:
    try:
        return _LIST.validate_json(reply.body)
    except ValidationError:
        raise NotSightline(f"the answer is no list of data sources (HTTP {reply.status})") from None
