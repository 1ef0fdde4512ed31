"""Detectors, models and tokens with the command."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.sightline.command.conftest import Run
from tests.sightline.conftest import DOOR


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"a-{uuid4().hex}"


def test_a_detector_from_its_making_to_its_end(sightline: Run, name: str) -> None:
    made = sightline("detectors", "create", name, "Which?", "--label", "RED", "--label", "BLUE", "--json")
    assert made.documents[0]["labels"] == ["RED", "BLUE"]
    changed = sightline("detectors", "update", name, "--threshold", "0.5", "--metadata", '{"a": 1}')
    assert "threshold    0.5" in changed.stdout
    assert '{"a": 1}' in sightline("detectors", "show", name).stdout
    assert sightline("detectors", "delete", name, "--yes").exit_code == 0
    assert sightline("detectors", "show", name).exit_code == 3


def test_a_detector_is_switched_off_and_on_again(sightline: Run, name: str) -> None:
    sightline("detectors", "create", name, "What?")
    assert "takes no queries" in sightline("detectors", "update", name, "--off").stdout
    assert "takes no queries" not in sightline("detectors", "update", name, "--on").stdout


def test_a_taken_name_is_refused(sightline: Run, name: str) -> None:
    sightline("detectors", "create", name, "What?")
    again = sightline("detectors", "create", name, "What?")
    assert again.exit_code == 1
    assert "name_taken" in again.stderr


def test_a_model_is_added_bound_and_deleted(sightline: Run, name: str) -> None:
    added = sightline("models", "add", DOOR / "door.onnx", "--manifest", DOOR / "door.manifest.json", "--name", name)
    assert added.exit_code == 0
    assert "ready" in added.stdout
    sightline("detectors", "create", name, "Is it open?")
    bound = sightline("detectors", "bind", name, name, "--json")
    assert bound.documents[0]["model"] == name
    in_use = sightline("models", "delete", name, "--yes")
    assert (in_use.exit_code, "model_in_use" in in_use.stderr) == (1, True)
    assert sightline("detectors", "bind", name, "--none", "--json").documents[0]["model"] is None
    assert sightline("models", "delete", name, "--yes").exit_code == 0
    assert sightline("models", "show", name).exit_code == 3


def test_a_bad_model_is_refused_with_the_reason(sightline: Run, name: str, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"garbage")
    ran = sightline("models", "add", garbage, "--manifest", DOOR / "door.manifest.json", "--name", name)
    assert (ran.exit_code, "model_rejected" in ran.stderr) == (1, True)
    ran = sightline("models", "add", DOOR / "door.onnx", "--manifest", garbage, "--name", name)
    assert (ran.exit_code, "manifest_invalid" in ran.stderr) == (1, True)
    ran = sightline("models", "add", tmp_path / "absent.onnx", "--manifest", garbage, "--name", name)
    assert (ran.exit_code, len(ran.stderr.splitlines())) == (1, 1)


def test_a_token_is_printed_alone_and_only_once(sightline: Run, name: str) -> None:
    made = sightline("tokens", "create", name, "--scope", "queries:read")
    token = made.stdout.strip()
    assert len(token) == 44
    assert sightline("list", token=token).exit_code == 0
    refused = sightline("detectors", "create", name, "What?", token=token)
    assert (refused.exit_code, "not_allowed" in refused.stderr) == (1, True)
    listed = sightline("tokens", "list")
    assert token[:20] in listed.stdout
    assert token not in listed.stdout
    assert sightline("tokens", "revoke", token[:20]).exit_code == 0


def test_a_scope_that_does_not_exist_is_refused(sightline: Run, name: str) -> None:
    ran = sightline("tokens", "create", name, "--scope", "everything")
    assert (ran.exit_code, "scopes" in ran.stderr) == (1, True)
