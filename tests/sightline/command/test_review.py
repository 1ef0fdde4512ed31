"""A person walks through the queries that wait for one."""

import time
from pathlib import Path
from typing import Any

import pytest

from contracts.http.detectors import Detector
from sightline import UNCLEAR, Client
from sightline.command.review import match
from tests.sightline.command.conftest import Run


def test_what_is_typed_becomes_the_label(sightline: Run, client: Client, people: Detector, frames: list[Path]) -> None:
    # Newest first: the last one asked is the first one shown.
    ids = [client.ask_async(people.name, frame).id for frame in frames[:4]]
    _wait_until_listed(client, people, 4)
    ran = sightline("review", "--detector", people.name, "--by", "kim", stdin="2\n\nn\ns\nUNCLEAR\n")
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


def test_a_line_that_is_no_answer_shifts_no_other_to_a_wrong_image(
    sightline: Run, client: Client, people: Detector, frames: list[Path]
) -> None:
    ids = [client.ask_async(people.name, frame).id for frame in frames[:3]]
    _wait_until_listed(client, people, 3)
    ran = sightline("review", "--detector", people.name, stdin="YES\nperhaps\nNO\n")
    labels = [client.get_image_query(query_id).label for query_id in reversed(ids)]
    assert labels == ["YES", UNCLEAR, "NO"]
    assert ran.exit_code == 1
    assert "'perhaps' is none of them" in ran.stderr
    assert "2 labelled, 1 left" in ran.stdout


def _wait_until_listed(client: Client, detector: Detector, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(list(client.list_image_queries(detector=detector.name))) < count:  # lists show what is stored
        assert time.monotonic() < deadline


def test_quitting_and_the_end_of_the_input_leave_the_rest(
    sightline: Run, client: Client, people: Detector, frames: list[Path]
) -> None:
    for frame in frames[:3]:
        client.ask_async(people.name, frame)
    _wait_until_listed(client, people, 3)
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


@pytest.mark.parametrize(
    ("options", "typed", "labels"),
    [
        ({"mode": "count", "class_name": "car"}, "3\nUNCLEAR\n", [UNCLEAR, "3"]),
        ({"mode": "text"}, "AB 12\nunclear\n", ["TEXT", "TEXT"]),
    ],
)
def test_numbers_and_texts_are_typed_as_they_are(  # noqa: PLR0917 - what pytest gives
    sightline: Run,
    client: Client,
    frames: list[Path],
    options: dict[str, Any],
    typed: str,
    labels: list[str],
) -> None:
    detector = client.create_detector(f"typed {options['mode']}", "What is it?", **options)
    ids = [client.ask_async(detector.name, frame).id for frame in frames[:2]]
    _wait_until_listed(client, detector, 2)
    ran = sightline("review", "-d", detector.name, stdin=typed)
    assert ran.exit_code == 0
    assert [client.get_image_query(query_id).label for query_id in ids] == labels
    assert ran.stdout.splitlines()[-1] == "2 labelled, 0 left"


def test_a_text_is_shown_in_lists(sightline: Run, client: Client, frames: list[Path]) -> None:
    sightline("detectors", "create", "plate", "What does it say?", "--mode", "text")
    query_id = client.ask_async("plate", frames[0]).id
    sightline("label", query_id, "AB 12")
    assert "AB 12" in sightline("get", query_id).stdout
    made = sightline("detectors", "create", "cars", "How many?", "--mode", "count", "--class", "car", "--max", "5")
    assert "count of car" in made.stdout
