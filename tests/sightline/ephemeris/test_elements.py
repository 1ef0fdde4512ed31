"""Elements: what is read, and what is refused with line, column and rule."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from sgp4.api import Satrec
from sgp4.exporter import export_omm

from sightline.ephemeris.elements import read_elements
from sightline.ephemeris.errors import BadData
from tests.support.orbits import ISS

FIRST, SECOND = ISS


def summed(line: str) -> str:
    """Return a line with the checksum that belongs to it."""
    total = sum(int(letter) if letter.isdigit() else letter == "-" for letter in line[:-1])
    return f"{line[:-1]}{total % 10}"


OTHER = summed(SECOND.replace("25544", "25545"))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((FIRST[:-1] + "3", SECOND), "line 1, column 69: the checksum is 3, and that of the line is 2"),
        ((FIRST, SECOND[:-1] + "0"), "line 2, column 69: the checksum is 0, and that of the line is 3"),
        ((FIRST[:-1], SECOND), "line 1: 68 characters, and a line has 69"),
        ((FIRST, f"{SECOND}0"), "line 2: 70 characters, and a line has 69"),
        ((SECOND, FIRST), "line 1, column 1: a line 2 without its line 1 before it: are they swapped?"),
        ((FIRST, FIRST), "line 2, column 1: line 2 of a set begins with 2 and a space: are they swapped?"),
        ((FIRST,), "line 1: a line 1 without its line 2"),
        (("ISS (ZARYA)", FIRST, OTHER), "line 3, column 3-7: line 1 is of satellite 25544, and its line 2 of 25545"),
        ((FIRST, summed(SECOND.replace("51.6498", "51.64x8"))), "line 2, column 9-16: '51.64x8' is no number"),
        ((FIRST, summed(SECOND.replace("0003572", "9999999"))), "line 1: these elements are of no orbit"),
        ((summed(FIRST[:62] + "4" + FIRST[63:]), SECOND), "line 1, column 63: element type 4 is of SGP4-XP, and only"),
        (("nothing of the kind",), "it has no elements"),
        (("",), "it has no elements"),
        (("[]",), "it has no elements"),
        (("{",), "it is not JSON"),
        (("[1]",), "an OMM is a JSON object, or a list of them"),
        (('{"OBJECT_NAME": "ISS"}',), "message 1, column OBJECT_ID: OBJECT_ID is missing"),
        (("<!DOCTYPE x><omm/>",), "XML with a document type is not read"),
        (("<omm",), "it is no OMM in XML"),
    ],
)
def test_bad_elements_are_named_by_line_column_and_rule(tmp_path: Path, lines: Sequence[str], says: str) -> None:
    path = tmp_path / "e.txt"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(BadData) as caught:
        read_elements(path)
    assert str(caught.value).removeprefix(str(path)).lstrip(",: ").startswith(says)


def test_a_file_of_several_satellites_needs_to_be_told_which(tmp_path: Path) -> None:
    path = tmp_path / "e.txt"
    other = summed(FIRST.replace("25544U", "T0001U")), summed(SECOND.replace("25544", "T0001"))
    path.write_text("\n".join(["ISS (ZARYA)", *ISS, "", "0 OTHER", *other]))
    with pytest.raises(BadData, match=r"elements of 2 satellites \(25544, T0001\): say --satellite"):
        read_elements(path)
    (found,) = read_elements(path, "T0001")  # numbers above 99999 are written with a letter
    assert (found.name, found.number, found.line) == ("OTHER", "T0001", 6)
    with pytest.raises(BadData, match="no elements of satellite 5; there are 25544, T0001"):
        read_elements(path, "5")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("EPHEMERIS_TYPE", 4, "element type 4 is of SGP4-XP, and only elements of SGP4 are read"),
        ("EPHEMERIS_TYPE", [4], "it is no OMM"),
        ("MEAN_ELEMENT_THEORY", "SGP4-XP", "'SGP4-XP' is not SGP4 or SGP/SGP4"),
        ("TIME_SYSTEM", "TAI", "'TAI' is not UTC"),
        ("CENTER_NAME", "MARS", "'MARS' is not EARTH"),
        ("MEAN_MOTION", [1], "it is no OMM"),
        ("EPOCH", "", "EPOCH is missing"),
    ],
)
def test_a_message_that_sgp4_would_misread_is_refused(tmp_path: Path, key: str, value: object, says: str) -> None:
    fields = export_omm(Satrec.twoline2rv(*ISS), "ISS (ZARYA)")
    path = tmp_path / "e.json"
    path.write_text(json.dumps([fields, {**fields, key: value}]))
    where = "message 2" if says == "it is no OMM" else f"message 2, column {key}"
    with pytest.raises(BadData) as caught:
        read_elements(path)
    assert str(caught.value).startswith(f"{path}, {where}: {says}")


def test_omm_says_the_same_as_two_lines(tmp_path: Path) -> None:
    lines, message = tmp_path / "e.tle", tmp_path / "e.json"
    lines.write_text("\n".join(ISS))
    message.write_text(json.dumps([export_omm(Satrec.twoline2rv(*ISS), "ISS (ZARYA)")]))
    (one,), (other,) = read_elements(lines), read_elements(message)
    assert (other.name, other.number) == ("ISS (ZARYA)", "25544")
    assert other.epoch_s == pytest.approx(one.epoch_s, abs=1e-3)
    here, there = (each.record.sgp4(2456681.0, 0.25)[1] for each in (one, other))
    assert there == pytest.approx(here, abs=1e-3)
    fields = json.loads(message.read_text())[0]
    comma = tmp_path / "e.csv"
    comma.write_text(f"{','.join(fields)}\n{','.join(map(str, fields.values()))}\n")
    assert read_elements(comma)[0].record.sgp4(2456681.0, 0.25)[1] == pytest.approx(there, abs=1e-9)
