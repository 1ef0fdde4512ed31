"""Orbital elements of one spacecraft: two-line elements, or OMM as JSON, CSV or XML; each set is checked before use."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from sgp4 import omm
from sgp4.api import WGS72, Satrec

from sightline.ephemeris.errors import BadData, shown

_LINE_LENGTH = 69
_CHECKSUM_COLUMN = 69
_TYPE_COLUMN = 63
_SGP4_XP = "4"
_ONLY = "and only elements of SGP4 are read"
_NUMBER = slice(2, 7)
_JULIAN_1970 = 2440587.5
_SGP4_ERRORS = {
    1: "its mean eccentricity is not from 0 to 1",
    2: "its mean motion is not above 0",
    3: "its perturbed eccentricity is not from 0 to 1",
    4: "its semi-latus rectum is below 0",
    6: "it has decayed",
}


@dataclass(frozen=True, slots=True, eq=False)
class ElementSet:
    """One set of elements: `record` is that of the library sgp4, `epoch_s` seconds since 1970."""

    name: str
    number: str
    """The catalogue number as it is written, also in the Alpha-5 scheme."""
    epoch_s: float
    record: Any
    line: int


def read_elements(path: Path, satellite: str | None = None) -> list[ElementSet]:
    """Return the sets of one satellite in order of their epochs.

    `satellite` is its catalogue number; without, the file must be of a single one.

    Raises:
        BadData: with the line, the column and the rule; every set of the file must be right.
        OSError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadData(path, "it is not UTF-8") from None
    sets = _from_lines(path, text) if _is_tle(text) else _from_omm(path, text)
    numbers = sorted({one.number for one in sets})
    if satellite is not None:
        wanted = satellite.strip().lstrip("0")
        sets = [one for one in sets if one.number.lstrip("0") == wanted]
        if not sets:
            raise BadData(path, f"it has no elements of satellite {satellite}; there are {', '.join(numbers[:5])}")
    elif len(numbers) > 1:
        raise BadData(path, f"it has elements of {len(numbers)} satellites ({', '.join(numbers[:5])}): say --satellite")
    return sorted(sets, key=lambda one: one.epoch_s)


def why(code: int) -> str:
    """Return what an error of SGP4 means."""
    return _SGP4_ERRORS.get(code, f"SGP4 ends with error {code}")


def _is_tle(text: str) -> bool:
    start = text.lstrip()
    return not start.startswith(("[", "{", "<")) and "MEAN_MOTION" not in start.partition("\n")[0]


def _from_lines(path: Path, text: str) -> list[ElementSet]:
    sets = list[ElementSet]()
    name, first = "", (0, "")
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        if not line.strip():
            continue
        if first[1]:
            _check_line(path, number, line, "2")
            if line[_NUMBER] != first[1][_NUMBER]:
                rule = f"line 1 is of satellite {first[1][_NUMBER]}, and its line 2 of {line[_NUMBER]}"
                raise BadData(path, rule, line=number, column="3-7")
            sets.append(_element_set(path, name, first, line))
            name, first = "", (0, "")
        elif line.startswith("1 "):
            _check_line(path, number, line, "1")
            first = number, line
        elif line.startswith("2 ") and len(line) > _LINE_LENGTH // 2:
            raise BadData(path, "a line 2 without its line 1 before it: are they swapped?", line=number, column="1")
        else:
            name = line.removeprefix("0 ").strip()
    if first[1]:
        raise BadData(path, "a line 1 without its line 2", line=first[0])
    if not sets:
        raise BadData(path, "it has no elements")
    return sets


def _check_line(path: Path, number: int, line: str, kind: str) -> None:
    if not line.startswith(f"{kind} "):
        rule = f"line {kind} of a set begins with {kind} and a space" + (": are they swapped?" if kind == "2" else "")
        raise BadData(path, rule, line=number, column="1")
    if not line.isascii():
        raise BadData(path, "only ASCII is allowed", line=number)
    if len(line) != _LINE_LENGTH:
        raise BadData(path, f"{len(line)} characters, and a line has {_LINE_LENGTH}", line=number)
    expected = sum(int(letter) if letter.isdigit() else letter == "-" for letter in line[:-1]) % 10
    if line[-1] != str(expected):
        rule = f"the checksum is {line[-1]}, and that of the line is {expected}"
        raise BadData(path, rule, line=number, column=str(_CHECKSUM_COLUMN))
    if kind == "1" and line[_TYPE_COLUMN - 1] == _SGP4_XP:
        raise BadData(path, f"element type 4 is of SGP4-XP, {_ONLY}", line=number, column=str(_TYPE_COLUMN))
    for first, last in _FIELDS[kind]:
        _check_field(path, number, line, first, last)


_FIELDS: Mapping[str, Sequence[tuple[int, int]]] = {
    "1": ((19, 32), (34, 43)),
    "2": ((9, 16), (18, 25), (27, 33), (35, 42), (44, 51), (53, 63)),
}
"""Columns of the numbers, first and last, counted from 1."""


def _check_field(path: Path, number: int, line: str, first: int, last: int) -> None:
    cell = line[first - 1 : last].strip()
    digits = cell.lstrip("+-").replace(".", "", 1)
    if not digits.isdigit():
        raise BadData(path, f"{cell!r} is no number", line=number, column=f"{first}-{last}")


def _element_set(path: Path, name: str, first: tuple[int, str], second: str) -> ElementSet:
    line, text = first
    try:
        record = Satrec.twoline2rv(text, second, WGS72)
    except ValueError as error:
        raise BadData(path, str(error).splitlines()[0], line=line) from None
    return _checked(path, name or text[9:17].strip(), text[_NUMBER].strip(), record, line)


def _from_omm(path: Path, text: str) -> list[ElementSet]:
    sets = []
    for number, fields in enumerate(_omm_fields(path, text), 1):
        record = Satrec()
        missing = [key for key in _OMM_KEYS if fields.get(key) in (None, "")]  # a list has no hash
        if missing:
            raise BadData(path, f"{missing[0]} is missing", line=number, unit="message", column=missing[0])
        _check_message(path, number, fields)
        try:
            omm.initialize(record, {key: str(value) for key, value in fields.items()})
        except (ValueError, KeyError) as error:
            raise BadData(path, f"it is no OMM: {error}", line=number, unit="message") from None
        for key in _OMM_NUMBERS:
            if not np.isfinite(float(fields[key])):
                raise BadData(path, "a number is needed", line=number, unit="message", column=key)
        name, catalogue = str(fields["OBJECT_NAME"]), str(fields["NORAD_CAT_ID"])
        sets.append(_checked(path, name, catalogue, record, number, unit="message"))
    if not sets:
        raise BadData(path, "it has no elements")
    return sets


def _check_message(path: Path, number: int, fields: Mapping[str, Any]) -> None:
    """Refuse what SGP4 would take for elements of its own and put elsewhere."""
    for key, allowed in _OMM_WORDS.items():
        word = str(fields.get(key) or allowed[0]).strip()
        if word.upper() not in allowed:
            rule = f"{shown(word)} is not {' or '.join(allowed)}"
            raise BadData(path, rule, line=number, unit="message", column=key)
    if str(fields["EPHEMERIS_TYPE"]).strip() == _SGP4_XP:
        rule = f"element type 4 is of SGP4-XP, {_ONLY}"
        raise BadData(path, rule, line=number, unit="message", column="EPHEMERIS_TYPE")


_OMM_WORDS: Mapping[str, Sequence[str]] = {
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"),
    "TIME_SYSTEM": ("UTC",),
    "CENTER_NAME": ("EARTH",),
}
"""What a message may say where it says something."""
_OMM_NUMBERS = (
    *("MEAN_MOTION", "ECCENTRICITY", "INCLINATION", "RA_OF_ASC_NODE", "ARG_OF_PERICENTER", "MEAN_ANOMALY"),
    *("BSTAR", "MEAN_MOTION_DOT", "MEAN_MOTION_DDOT"),
)
_OMM_KEYS = (
    *("OBJECT_NAME", "OBJECT_ID", "EPOCH", *_OMM_NUMBERS),
    *("EPHEMERIS_TYPE", "CLASSIFICATION_TYPE", "NORAD_CAT_ID", "ELEMENT_SET_NO", "REV_AT_EPOCH"),
)


def _omm_fields(path: Path, text: str) -> Iterable[Mapping[str, Any]]:
    start = text.lstrip()
    if start.startswith("<"):
        if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
            raise BadData(path, "XML with a document type is not read")
        try:
            return list(omm.parse_xml(StringIO(text)))
        except (ParseError, AttributeError) as error:
            raise BadData(path, f"it is no OMM in XML: {error}") from None
    if start.startswith(("[", "{")):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadData(path, f"it is not JSON: {error}") from None
        messages = found if isinstance(found, list) else [found]
        if not all(isinstance(message, dict) for message in messages):
            raise BadData(path, "an OMM is a JSON object, or a list of them")
        return messages
    return list(omm.parse_csv(StringIO(text)))


def _checked(path: Path, name: str, number: str, record: Any, line: int, *, unit: str = "line") -> ElementSet:
    code, _, _ = record.sgp4(record.jdsatepoch, record.jdsatepochF)
    if code:
        raise BadData(path, f"these elements are of no orbit: {why(code)}", line=line, unit=unit)
    epoch_s = ((record.jdsatepoch - _JULIAN_1970) + record.jdsatepochF) * 86400.0
    return ElementSet(name, number, epoch_s, record, line)
