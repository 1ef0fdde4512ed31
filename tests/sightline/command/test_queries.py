"""Asking and looking up with the command."""

from pathlib import Path

import pytest

from contracts.http.detectors import Detector
from contracts.http.queries import Query
from tests.sightline.command.conftest import Run


def test_ids_go_from_one_command_to_the_next(sightline: Run, door: Detector, frames: list[Path]) -> None:
    submitted = sightline("submit", *frames, "--detector", door.name)
    assert submitted.exit_code == 0
    ids = submitted.stdout.split()
    assert len(set(ids)) == len(frames)
    waited = sightline("wait", "-", "--json", stdin=f"# saved\n\n{submitted.stdout.replace(chr(10), ' 17' + chr(10))}")
    assert waited.exit_code == 0
    assert [document["id"] for document in waited.documents] == ids
    assert all(Query.model_validate(document).answer for document in waited.documents)


def test_a_json_line_of_a_submission_names_its_file(sightline: Run, people: Detector, frames: list[Path]) -> None:
    options = ("--detector", people.id, "--threshold", "0.5", "--metadata", '{"camera": 1}', "--expires-in", "3600")
    ran = sightline("submit", *frames, *options, "--json")
    assert [document["file"] for document in ran.documents] == [str(frame) for frame in frames]
    first = Query.model_validate(ran.documents[0])
    assert (first.confidence_threshold, first.metadata) == (0.5, {"camera": 1})
    assert first.expires_at is not None


def test_a_table_shows_what_came_of_each(sightline: Run, door: Detector, frames: list[Path]) -> None:
    ran = sightline("submit", *frames[:2], "--detector", door.name, "--wait", "30")
    header, *rows = ran.stdout.splitlines()
    assert header.split()[:4] == ["ID", "STATE", "LABEL", "CONF."]
    assert len(rows) == 2
    for row in rows:
        assert row.split()[1] == "answered"
        assert row.split()[2] in {"YES", "NO"}
    assert len(sightline("get", rows[0].split()[0]).stdout.splitlines()) == 2


def test_the_same_key_gives_the_same_id(sightline: Run, people: Detector, picture: Path) -> None:
    ids = {sightline("submit", picture, "-d", people.name, "--key", people.id).stdout for _ in range(2)}
    assert len(ids) == 1


def test_a_label_ends_a_confident_wait(sightline: Run, people: Detector, picture: Path) -> None:
    query_id = sightline("submit", picture, "-d", people.name).stdout.strip()
    labelled = sightline("label", query_id, "no", "--by", "kim", "--json")
    assert labelled.documents[0]["label"] == "NO"
    waited = sightline("wait", query_id, "--confident")
    assert waited.exit_code == 0
    assert "kim" in waited.stdout


def test_lists_are_filtered(sightline: Run, people: Detector, frames: list[Path]) -> None:
    ids = sightline("submit", *frames[:3], "-d", people.name).stdout.split()
    sightline("label", ids[0], "YES")
    sightline("cancel", ids[1])
    sightline("wait", *ids[:2])

    def listed(*options: str) -> set[str]:
        return {one["id"] for one in sightline("list", "-d", people.name, "--json", *options).documents}

    assert listed() == set(ids)
    assert listed("--label", "YES") == {ids[0]}
    assert listed("--state", "cancelled") == {ids[1]}
    assert listed("--open") == {ids[2]}
    assert listed("--until", "2020-01-01") == set()
    assert listed("--from", "2020-01-01T00:00:00+0100") == set(ids)
    assert len(listed("--limit", "2")) == 2


def test_the_image_comes_back_as_it_was(sightline: Run, people: Detector, picture: Path, tmp_path: Path) -> None:
    query_id = sightline("submit", picture, "-d", people.name).stdout.strip()
    output = tmp_path / "image"
    assert sightline("image", query_id, "--output", output).exit_code == 0
    assert output.read_bytes() == picture.read_bytes()


def test_erasing_asks_first_and_is_for_good(sightline: Run, people: Detector, picture: Path) -> None:
    query_id = sightline("submit", picture, "-d", people.name).stdout.strip()
    assert sightline("erase", query_id).exit_code == 2
    assert sightline("get", query_id).exit_code == 0
    assert sightline("erase", query_id, "--yes").exit_code == 0
    assert sightline("get", query_id).exit_code == 3


def test_what_strangers_wrote_cannot_steer_the_terminal(sightline: Run, people: Detector, picture: Path) -> None:
    query_id = sightline("submit", picture, "-d", people.name).stdout.strip()
    sightline("label", query_id, "YES", "--by", "\x1b[31mkim\x07 [bold]x[/bold]")
    shown = sightline("get", query_id).stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[bold]x[/bold]" in shown


@pytest.mark.parametrize("arguments", [["list"], ["detectors", "list"], ["models", "list"], ["tokens", "list"]])
def test_every_list_has_both_forms(sightline: Run, people: Detector, arguments: list[str]) -> None:
    sightline("tokens", "create", people.name)
    assert all(isinstance(document, dict) for document in sightline(*arguments, "--json").documents)
    table = sightline(*arguments)
    assert table.exit_code == 0
    assert "ID" in table.stdout.splitlines()[0]
