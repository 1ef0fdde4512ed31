"""From the cells of a file to times and places."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import eq
from typing import Any

import numpy as np

from contracts.http.ephemeris import Place
from sightline.ephemeris.alignment import Timed
from sightline.ephemeris.errors import BadData, shown
from sightline.ephemeris.frames import to_sphere, to_vectors, turned
from sightline.ephemeris.layout import Layout
from sightline.ephemeris.stretch import Floats, Integers, Mask
from sightline.ephemeris.times import MINUTE, IsoTimes, utc_micros

Cells = Sequence[str] | Floats
"""Text as it stands in the file, or numbers where the file has a type for them; NaN and "" are absent."""
_NEAREST_KM, _FARTHEST_KM = 6300.0, 2_000_000.0
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LEAST_PARTS = 2
_LONGEST_METADATA = 4096
_MOST_TEXTS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some rows of a file: where each stands, and the columns that are read."""

    lines: Integers
    cells: Mapping[str, Cells]
    micros: Integers | None = None
    """Times of a file that has a type for them, microseconds since 1970 in the file's scale."""


class Rows:
    """Reads the batches of one file."""

    def __init__(
        self, layout: Layout, *, unit: str = "line", decimal: str = ".", source: str | None = None, radius: bool = False
    ) -> None:
        if radius and layout.radius is None and len(layout.position) != 3:
            rule = "footprints need the distance from the Earth's centre: x, y and z, or a column radius in km"
            raise BadData(layout.file, rule)
        self._layout = layout
        self._unit = unit
        self._decimal = decimal
        self._source = source
        self._wants_radius = radius
        self._times = IsoTimes(layout.file, layout.epoch, layout.time_scale)
        self._texts: dict[Any, str] = {}

    def timed(self, batch: Batch) -> Timed:
        """Return the rows of a batch.

        Raises:
            BadData: with the first cell that cannot be what its column is.
        """
        layout = self._layout
        self._check_source(batch)
        micros = self._utc(batch)
        position = np.column_stack([self._numbers(batch, name) for name in layout.position])
        angles: dict[Place, Floats] = {
            place: np.column_stack([self._numbers(batch, name) for name in names])
            for place, names in layout.places.items()
        }
        if layout.unit == "radians":
            angles = {place: self._degrees(batch, place, values) for place, values in angles.items()}
        places: dict[Place, Floats] = {"location_geo": self._geographic(batch, position, micros), **angles}
        if layout.frame == "GSM" and "location_gsm" not in places:
            places["location_gsm"] = self._sphere(batch, position)
        radius = self._radius(batch, position) if self._wants_radius else None
        return Timed(micros, places, self._metadata(batch), batch.lines, radius)

    def _utc(self, batch: Batch) -> Integers:
        micros = utc_micros(self._micros(batch), self._layout.time_scale)
        before = micros < np.iinfo(np.int64).min // 2
        if before.any():
            raise self._bad(batch, before, self._layout.epoch, "UTC has leap seconds from 1972; give such times as UTC")
        return micros

    def _micros(self, batch: Batch) -> Integers:
        if batch.micros is not None:
            return batch.micros
        cells = batch.cells[self._layout.epoch]
        if self._layout.time_format == "unix":
            seconds = self._numbers(batch, self._layout.epoch)
            bad = np.asarray(~(np.abs(seconds) < 1e11), np.bool_)  # NaN too
            if bad.any():
                raise self._bad(batch, bad, self._layout.epoch, "seconds since 1970 are needed")
            return np.rint(seconds * 1e6).astype(np.int64)
        if isinstance(cells, np.ndarray):
            rule = "these are numbers; if they are seconds since 1970, say --time-format unix"
            raise BadData(self._layout.file, rule, column=self._layout.epoch)
        return self._times.read(cells, batch.lines)

    def _numbers(self, batch: Batch, name: str) -> Floats:
        cells = batch.cells[name]
        if isinstance(cells, np.ndarray):
            return cells
        if self._decimal == ",":
            cells = [cell.replace(",", ".") if "." not in cell else "?" for cell in cells]
        try:
            numbers = np.array([float(cell) if cell else np.nan for cell in cells])
        except ValueError:
            numbers = None
        if numbers is None or np.isnan(numbers).sum() != cells.count("") or any("_" in cell for cell in cells):
            raise self._no_number(batch, name, cells)
        return numbers

    def _no_number(self, batch: Batch, name: str, cells: Sequence[str]) -> BadData:
        wrong = np.array([cell != "" and not _is_number(cell) for cell in cells])
        cell = str(batch.cells[name][int(np.flatnonzero(wrong)[0])])
        rule = f"{shown(cell)} is no number"
        if cell.lower().strip("+-") in {"nan", "na", "null", "none"}:
            rule = f"{shown(cell)}: leave the cell empty where there is no place"
        elif cell.startswith("=") or cell[:1] in {"@", "+"}:
            rule = f"{shown(cell)} is a formula; write its value"
        elif "," in cell and _is_number(cell.replace(",", ".")):
            rule = f"{shown(cell)} has a decimal comma: say --decimal ,"
        return self._bad(batch, wrong, name, rule)

    def _geographic(self, batch: Batch, position: Floats, micros: Integers) -> Floats:
        frame = self._layout.frame
        places = self._sphere(batch, position)
        return places if frame == "GEO" else to_sphere(turned(to_vectors(places), micros / MINUTE, frame, "GEO"))

    def _sphere(self, batch: Batch, position: Floats) -> Floats:
        """Return latitude and longitude in degrees in the frame of the file."""
        missing: Mask = np.asarray(np.isnan(position).any(axis=1), np.bool_)
        if missing.any():
            raise self._bad(batch, missing, ", ".join(self._layout.position), "a record needs a position")
        if position.shape[1] == 2:
            if self._layout.unit == "radians":
                return self._degrees(batch, "location_geo", position)
            polar: Mask = np.asarray(np.abs(position[:, 0]) > 90, np.bool_)
            if polar.any() and self._layout.frame != "GEO":
                raise self._bad(batch, polar, self._layout.position[0], "a latitude is from -90 to 90 degrees")
            return position
        self._radius(batch, position)
        return to_sphere(position)

    def _radius(self, batch: Batch, position: Floats) -> Floats:
        """Return the distances from the Earth's centre in kilometres."""
        layout = self._layout
        columns, unit = layout.position, layout.unit
        if position.shape[1] == 3:
            radius: Floats = np.linalg.norm(position, axis=1) / (1000.0 if unit == "m" else 1.0)
        else:
            radius = self._numbers(batch, layout.radius or "")
            columns, unit = (layout.radius or "",), "km"
        bad: Mask = np.asarray(~((radius > _NEAREST_KM) & (radius < _FARTHEST_KM)), np.bool_)
        if bad.any():
            rule = f"{radius[bad][0]:.6g} km from the Earth's centre is no orbit: is the unit {unit}?"
            raise self._bad(batch, bad, ", ".join(columns), rule)
        return radius

    def _degrees(self, batch: Batch, place: str, values: Floats) -> Floats:
        wrong = (np.abs(values[:, 0]) > np.pi / 2 + 1e-9) | (values[:, 1] < -np.pi - 1e-9) | (values[:, 1] > 2 * np.pi)
        if wrong.any():
            raise self._bad(batch, wrong, place, "this is no angle in radians: is the unit degrees?")
        return np.degrees(values)

    def _metadata(self, batch: Batch) -> Sequence[str]:
        layout = self._layout
        if layout.metadata is not None:
            return self._each(batch, layout.metadata, list(batch.cells[layout.metadata]), self._object)
        if not layout.keys:
            return ("{}",)
        rows = list(zip(*(batch.cells[name] for name in layout.keys.values()), strict=True))
        names = ", ".join(layout.keys.values())
        return self._each(batch, names, rows, self._values)

    def _each(self, batch: Batch, column: str, cells: Sequence[Any], text_of: Callable[[Any], str]) -> list[str]:
        texts = self._texts
        if len(texts) > _MOST_TEXTS:  # metadata that differ all the time are not remembered
            texts.clear()
        found = []
        for number, cell in enumerate(cells):
            text = texts.get(cell)
            if text is None:
                try:
                    text = texts[cell] = text_of(cell)
                except ValueError as error:
                    line = int(batch.lines[number])
                    raise BadData(self._layout.file, str(error), line=line, column=column, unit=self._unit) from None
            found.append(text)
        return found

    def _object(self, cell: object) -> str:
        try:
            value = json.loads(str(cell) or "{}", parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise ValueError(f"{shown(cell)} is not JSON") from None
        if not isinstance(value, dict):
            raise ValueError("metadata is a JSON object")  # noqa: TRY004 - told as every other rule
        return _text(value)

    def _values(self, cells: tuple[object, ...]) -> str:
        named = zip(self._layout.keys, cells, strict=True)
        return _text({key: _value(cell) for key, cell in named if not _is_absent(cell)})

    def _check_source(self, batch: Batch) -> None:
        if self._layout.source is None or self._source is None:
            return
        cells = batch.cells[self._layout.source]
        right = {cell for cell in set(cells) if not cell or _is_name_of(str(cell), self._source)}
        other = np.array([cell not in right for cell in cells], np.bool_)
        if other.any():
            cell = cells[int(np.flatnonzero(other)[0])]
            raise self._bad(batch, other, self._layout.source, f"{shown(cell)} is another source than {self._source}")

    def _bad(self, batch: Batch, wrong: Mask, column: str, rule: str) -> BadData:
        line = int(batch.lines[int(np.flatnonzero(wrong)[0])])
        return BadData(self._layout.file, rule, line=line, column=column, unit=self._unit)


def _is_name_of(name: str, source: str) -> bool:
    """Say whether both name the same; either may leave out the instrument, as searches once printed it."""
    parts, asked = name.split("/"), source.split("/")
    return min(len(parts), len(asked)) >= _LEAST_PARTS and all(map(eq, parts, asked))


def _text(value: dict[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if len(text) > _LONGEST_METADATA:
        raise ValueError(f"metadata may have {_LONGEST_METADATA} characters")
    return text


def _value(cell: object) -> object:
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else cell
    text = str(cell)
    if _is_number(text):
        number = float(text)
        return int(text) if text.lstrip("+-").isdigit() else number
    if text.startswith(_FORMULA):
        raise ValueError(f"{shown(text)} starts like a formula")
    return text


def _is_absent(cell: object) -> bool:
    return cell == "" or (isinstance(cell, float) and np.isnan(cell))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text))) and "_" not in text
    except ValueError:
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)
