"""Data sources of searches, as the AuroraX client adds, changes and reads them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from contracts.http.aurorax import SourceCriteria, SourceInfo
from contracts.http.base import Request, Resource

SourceType = Literal["ground", "leo", "heo", "lunar", "event_list", "not_applicable"]
SourceFormat = Literal["identifier_only", "basic_info", "with_metadata", "full_record"]
"""How much of a source is shown."""

_BASIC = ("identifier", "program", "platform", "instrument_type", "source_type", "display_name")
FORMATS: Mapping[SourceFormat, tuple[str, ...]] = {
    "identifier_only": _BASIC[:1],
    "basic_info": _BASIC,
    "with_metadata": (*_BASIC, "metadata"),
    "full_record": (
        *_BASIC,
        "metadata",
        "owner",
        "maintainers",
        "ephemeris_metadata_schema",
        "data_product_metadata_schema",
    ),
}
"""The keys of each format. The client takes no others, and of `stats` only when it asked for them."""


def _trimmed(value: str) -> str:
    if value != value.strip():
        raise ValueError("it begins or ends with a space")
    return value


def _unlike(fields: "tuple[SchemaField, ...]") -> "tuple[SchemaField, ...]":
    names = [field.field_name for field in fields]
    if len(set(names)) < len(names):
        raise ValueError("two fields have one field_name")
    return fields


_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, StringConstraints(max_length=200, pattern=_PRINTABLE), AfterValidator(_trimmed)]
ShortName = Annotated[str, StringConstraints(max_length=50, pattern=_PRINTABLE), AfterValidator(_trimmed)]
"""Lengths are those of AuroraX, which its client checks too."""
Person = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]
Identifier = Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]
"""Zero cannot be deleted from by the client, those below stand for custom locations, larger ones are no JSON numbers
everywhere."""
Description = Annotated[
    str, BeforeValidator(lambda value: "" if value is None else value), StringConstraints(max_length=2000)
]
MetadataObject = dict[str, Any]


class SchemaField(Resource):
    """One key that the metadata of records may have. What is left out is filled in: the client's command needs it."""

    field_name: Name
    description: Description = ""
    data_type: Annotated[str, StringConstraints(max_length=50)] = "string"
    allowed_values: Annotated[
        tuple[Any, ...], BeforeValidator(lambda value: () if value is None else value), Field(max_length=1000)
    ] = ()
    additional_description: Description = ""
    searchable: bool | None = True


Schema = Annotated[tuple[SchemaField, ...], Field(max_length=200), AfterValidator(_unlike)]


class SourceCreate(Request):
    """A new source; without an identifier it gets the next one."""

    identifier: Identifier | None = None
    program: Name
    platform: ShortName
    instrument_type: Name
    source_type: SourceType
    display_name: ShortName
    metadata: MetadataObject | None = None
    owner: Person | None = None
    maintainers: Annotated[tuple[Person, ...], Field(max_length=100)] | None = None
    ephemeris_metadata_schema: Schema | None = None
    data_product_metadata_schema: Schema | None = None


class SourceUpdate(Request):
    """What to change; null leaves a field alone, since the client sends every one of them."""

    identifier: Annotated[int, Field(strict=True)] | None = None
    program: Name | None = None
    platform: ShortName | None = None
    instrument_type: Name | None = None
    source_type: SourceType | None = None
    display_name: ShortName | None = None
    metadata: MetadataObject | None = None
    owner: Person | None = None
    maintainers: Annotated[tuple[Person, ...], Field(max_length=100)] | None = None
    ephemeris_metadata_schema: Schema | None = None
    data_product_metadata_schema: Schema | None = None


class SourceSearch(SourceCriteria):
    """Which sources to list: values of a field are alternatives, an empty field admits all."""


class SourceStats(Resource):
    """How much there is of a source. Times are UTC, as YYYY-MM-DDTHH:MM:SS."""

    ephemeris_count: int = 0
    data_product_count: int = 0
    earliest_ephemeris_loaded: str | None = None
    latest_ephemeris_loaded: str | None = None
    earliest_data_product_loaded: str | None = None
    latest_data_product_loaded: str | None = None


class SourceExtent(SourceInfo):
    """A data source, and how much there is of it."""

    stats: SourceStats
