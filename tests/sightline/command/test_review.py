"""A person walks through the queries that wait for one."""

from pathlib import Path

import pytest

from contracts.http.detectors import Detector
from sightline import UNCLEAR, Client
from sightline.command.review import match
from tests.sightline.command.conftest import Run


def test_what_is_typed_becomes_the_label(sightline: Run, client: Client, people: Detector, frames: list[Path]) -> None:
    # Newest first: the last one asked is the first one shown.
    ids = [client.ask_async(people.name, frame).id for frame in frames[:4]]
    ran = sightline("review", "--detector", people.name, "--by", "kim", stdin="2\nperhaps\n\nn\ns\nUNCLEAR\n")
    assert ran.exit_code == 0
    labels = [client.get_image_query(query_id).label for query_id in reversed(ids)]
    answers = [client.get_image_query(query_id).answer for query_id in reversed(ids)]
    assert labels == ["YES", "NO", UNCLEAR, UNCLEAR]
    assert [answer is not None for answer in answers] == [True, True, False, True]
    assert answers[0] is not None
    assert answers[0].answered_by == "kim"
    assert ran.stdout.splitlines()[-1] == "3 labelled, 1 left"
    assert people.query in ran.stderr
    assert all(query_id in ran.stderr for query_id in ids)
    assert "'perhaps' is none of them" in ran.stderr


def test_quitting_and_the_end_of_the_input_leave_the_rest(
    sightline: Run, client: Client, people: Detector, frames: list[Path]
) -> None:
    for frame in frames[:3]:
        client.ask_async(people.name, frame)
    assert sightline("review", "-d", people.name, stdin="q\n").stdout == "0 labelled, 3 left\n"
    assert sightline("review", "-d", people.name, stdin="1\n").stdout.splitlines()[-1] == "1 labelled, 2 left"


def test_nothing_to_do_is_said(sightline: Run, people: Detector) -> None:
    ran = sightline("review", "-d", people.name, stdin="")
    assert (ran.exit_code, ran.stdout) == (0, "0 labelled, 0 left\n")


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("1", "NO"),
        ("3", "NOT SURE"),
        ("4", None),
        ("0", None),
        ("y", "YES"),
        ("no", "NO"),
        ("n", None),
        ("not", "NOT SURE"),
    ],
)
def test_numbers_names_and_clear_beginnings_choose(typed: str, label: str | None) -> None:
    assert match(typed, ("NO", "YES", "NOT SURE")) == label


def test_a_label_that_is_a_number_is_meant_by_its_name() -> None:
    assert match("1", ("0", "1", "2")) == "1"
