"""What somebody says of a file: what its columns mean, in which frame, unit and time scale.

It is said by options, by a manifest (a JSON file), or by the file itself: lines `# key: value` before a CSV's header,
or the key `sightline.ephemeris` of a Parquet file's metadata. Who says a thing twice must say the same.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError

from contracts.http.base import Request
from contracts.http.ephemeris import PLACES, Place
from sightline.ephemeris.errors import BadData

Frame = Literal["GEO", "GEI", "J2000", "GSE", "GSM", "SM"]
"""GEO turns with the Earth; GEI is of the date, J2000 of its equinox; the others look at the Sun."""
Unit = Literal["degrees", "radians", "km", "m"]
TimeScale = Literal["UTC", "TAI", "GPS", "TT"]
TimeFormat = Literal["iso", "unix"]
AXES: Mapping[Unit, tuple[str, ...]] = {
    "degrees": ("lat", "lon"),
    "radians": ("lat", "lon"),
    "km": ("x", "y", "z"),
    "m": ("x", "y", "z"),
}
METADATA = "metadata"
EPOCH = "epoch"
RADIUS = "radius"
# In any case: nobody means another frame by "geo".
_UPPER = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
_LOWER = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
_ONE_LETTER = Field(min_length=1, max_length=1)


class Statement(Request):
    """What is said of a file; None is not said. `columns` names columns of the file by what they are here."""

    frame: Annotated[Frame | None, _UPPER] = None
    unit: Annotated[Unit | None, _LOWER] = None
    time_scale: Annotated[TimeScale | None, _UPPER] = None
    time_format: Annotated[TimeFormat | None, _LOWER] = None
    columns: dict[str, str] = Field({})
    delimiter: Annotated[str, _ONE_LETTER] | None = None
    decimal: Literal[".", ","] | None = None

    def joined(self, other: "Statement", file: str) -> "Statement":
        """Return both together.

        Raises:
            BadData: they contradict each other.
        """
        mine, theirs = self.model_dump(exclude_none=True), other.model_dump(exclude_none=True)
        columns = _united("columns", mine.pop("columns"), theirs.pop("columns"), file)
        return Statement(columns=columns, **_united("", mine, theirs, file))


def field_names() -> tuple[str, ...]:
    """Return what a column may be, beside `metadata.KEY`."""
    places = [f"{place}_{axis}" for place in PLACES for axis in ("lat", "lon")]
    return (EPOCH, "lat", "lon", "x", "y", "z", RADIUS, *places, METADATA)


def is_field(name: str) -> bool:
    """Say whether a column may be this."""
    return name in field_names() or (name.startswith(f"{METADATA}.") and len(name) > len(METADATA) + 1)


def place_fields(place: Place) -> tuple[str, str]:
    """Return the names of the columns of a place."""
    return f"{place}_lat", f"{place}_lon"


def read_manifest(path: Path) -> Statement:
    """Return what a manifest says.

    Raises:
        BadData: it is not the JSON of a statement.
        OSError: it cannot be read.
    """
    return statement_of(path.read_text(encoding="utf-8", errors="replace"), path)


def statement_of(text: str, file: str | Path) -> Statement:
    """Return what a text of JSON says.

    Raises:
        BadData: it is not a statement.
    """
    try:
        return checked(json.loads(text), file)
    except (ValueError, RecursionError):
        raise BadData(file, "the manifest is not JSON") from None


def checked(said: Any, file: str | Path, *, line: int | None = None) -> Statement:
    """Return a statement.

    Raises:
        BadData: some of it cannot be.
    """
    try:
        statement = Statement.model_validate(said)
    except ValidationError as error:
        item = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, item["loc"]))
        raise BadData(file, f"{where}: {item['msg']}" if where else item["msg"], line=line) from None
    for name in statement.columns:
        if not is_field(name):
            rule = f"{name!r} is nothing that a column may be; these are: {', '.join(field_names())}, metadata.KEY"
            raise BadData(file, rule, line=line)
    return statement


def need(statement: Statement, file: str) -> tuple[Frame, Unit, TimeScale]:
    """Return frame, unit and time scale, which nobody should guess.

    Raises:
        BadData: one is not said.
    """
    frame, unit, scale = statement.frame, statement.unit, statement.time_scale
    if frame is None:
        raise BadData(file, f"the frame of the positions is not stated: say --frame {'|'.join(get_args(Frame))}")
    if unit is None:
        raise BadData(file, f"the unit of the positions is not stated: say --unit {'|'.join(get_args(Unit))}")
    if scale is None:
        raise BadData(file, f"the time scale is not stated: say --time-scale {'|'.join(get_args(TimeScale))}")
    return frame, unit, scale


def _united(what: str, mine: Mapping[str, Any], theirs: Mapping[str, Any], file: str) -> dict[str, Any]:
    for name in mine.keys() & theirs.keys():
        if mine[name] != theirs[name]:
            where = f"{what} {name}".strip()
            raise BadData(file, f"{where} is stated twice: {mine[name]!r} and {theirs[name]!r}")
    return {**mine, **theirs}
