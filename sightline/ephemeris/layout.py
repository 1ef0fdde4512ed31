"""Which column of a file is what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.http.ephemeris import PLACES, Place
from sightline.ephemeris.errors import BadData, shown
from sightline.ephemeris.statement import (
    AXES,
    EPOCH,
    METADATA,
    RADIUS,
    Frame,
    Statement,
    TimeFormat,
    TimeScale,
    Unit,
    field_names,
    is_field,
    need,
    place_fields,
)

SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a file by what they are, and what is stated of them."""

    file: str
    frame: Frame
    unit: Unit
    time_scale: TimeScale
    time_format: TimeFormat
    epoch: str
    position: tuple[str, ...]
    """Columns of latitude and longitude, or of x, y and z."""
    radius: str | None
    """The column of the distance from the Earth's centre in kilometres, which only footprints need."""
    places: Mapping[Place, tuple[str, ...]]
    """Columns of other places, latitude and longitude each."""
    metadata: str | None
    """The column that has all metadata as JSON."""
    keys: Mapping[str, str]
    """Columns of single keys of the metadata."""
    source: str | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every column that is read."""
        places = [name for names in self.places.values() for name in names]
        more = [name for name in (self.radius, self.metadata, self.source) if name is not None]
        return tuple(dict.fromkeys([self.epoch, *self.position, *places, *self.keys.values(), *more]))


def layout_of(header: Sequence[str], statement: Statement, file: str, *, line: int | None = None) -> Layout:
    """Return what the columns of a file are.

    Raises:
        BadData: the header cannot be read, a column is missing, or a thing that nobody should guess is not stated.
    """
    _check_header(header, file, line)
    frame, unit, scale = need(statement, file)
    found = _fields(header, statement, file, line)
    axes = AXES[unit]
    position = _position(found, axes, frame, file, line)
    places = {}
    for place in PLACES[1:]:
        if names := _pair(found, place_fields(place), file, line):
            places[place] = names
    keys = {field.partition(".")[2]: name for field, name in found.items() if field.startswith(f"{METADATA}.")}
    if EPOCH not in found:
        raise BadData(file, f"no column is the epoch: say --column {EPOCH}=NAME", line=line)
    if keys and METADATA in found:
        raise BadData(file, "metadata is either one column of JSON or a column for each key", line=line)
    return Layout(
        file=file,
        frame=frame,
        unit=unit,
        time_scale=scale,
        time_format=statement.time_format or "iso",
        epoch=found[EPOCH],
        position=position,
        radius=found.get(RADIUS),
        places=places,
        metadata=found.get(METADATA),
        keys=keys,
        source=next((name for name in header if name.lower() == SOURCE), None),
    )


def _check_header(header: Sequence[str], file: str, line: int | None) -> None:
    seen = set[str]()
    for number, name in enumerate(header, 1):
        if not name.strip():
            raise BadData(file, f"the header has no name for column {number}", line=line)
        if name in seen:
            raise BadData(file, "the header has this name twice", line=line, column=name)
        seen.add(name)
    if all(_is_number(name) for name in header):
        raise BadData(file, "the first line must name the columns, and it holds numbers", line=line)


def _fields(header: Sequence[str], statement: Statement, file: str, line: int | None) -> dict[str, str]:
    """Return the columns by what they are: as it was said, else by their own names."""
    for field, name in statement.columns.items():
        if name not in header:
            raise BadData(file, f"the header has no column {shown(name)}, which should be {field}", line=line)
    found = dict(statement.columns)
    given = set(found.values())
    known = {field.lower(): field for field in field_names()}
    for name in header:
        is_what = known.get(name.lower(), name if is_field(name) else None)
        if is_what is not None and name not in given:
            found.setdefault(is_what, name)
    return found


def _position(
    found: Mapping[str, str], axes: tuple[str, ...], frame: Frame, file: str, line: int | None
) -> tuple[str, ...]:
    geographic = _pair(found, place_fields("location_geo"), file, line)
    plain = tuple(found[axis] for axis in axes if axis in found)
    if geographic and plain:
        raise BadData(file, f"both {geographic} and {plain} would be the position", line=line)
    if geographic:
        if frame != "GEO":
            raise BadData(file, f"a column {geographic[0]} is in the frame GEO, and {frame} was stated", line=line)
        if len(axes) != 2:
            raise BadData(file, f"a column {geographic[0]} is an angle, and its unit was stated as a length", line=line)
        return geographic
    if len(plain) != len(axes):
        rule = (
            f"the position takes the columns {', '.join(axes)} (--column {axes[0]}=NAME); there are {plain or 'none'}"
        )
        raise BadData(file, rule, line=line)
    return plain


def _pair(found: Mapping[str, str], names: tuple[str, str], file: str, line: int | None) -> tuple[str, ...]:
    there = [name for name in names if name in found]
    if len(there) == 1:
        missing = next(name for name in names if name not in found)
        raise BadData(file, f"there is a column {there[0]} and none for {missing}", line=line)
    return tuple(found[name] for name in there)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
