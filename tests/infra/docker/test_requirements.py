"""Each image's requirements: what its role asks for, as the one lock has it, and nothing that it must not have."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.server import ROOT

FOLDER = ROOT / "infra/docker/requirements"
EXTRAS = {
    role: (role, "rabbitmq", "mongodb") for role in ("submitter", "inference", "search", "result_store", "gateway")
}
EXTRAS["all"] = ("embedded", "rabbitmq", "mongodb")
ABSENT = {
    "gateway": {"onnxruntime", "opencv-python-headless", "numpy"},
    "result_store": {"onnxruntime", "opencv-python-headless", "numpy"},
    "search": {"onnxruntime", "opencv-python-headless"},
    "submitter": {"onnxruntime"},
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_OURS = re.compile(r"^sightline\[(.*)\]$")


def blocks(path: Path) -> set[str]:
    """Each requirement of a lock with its marker and hashes."""
    return {block.strip() for block in re.split(r"\n(?=\S)", path.read_text()) if block.strip()}


def names(path: Path) -> set[str]:
    return {re.split(r"[=\[ ;]", block)[0] for block in blocks(path)}


def asked(extras: tuple[str, ...]) -> set[str]:
    """The distributions that extras name, and those that everybody has."""
    found = list(PROJECT["dependencies"])
    for extra in extras:
        for each in PROJECT["optional-dependencies"][extra]:
            ours = _OURS.match(each)
            found += asked(tuple(ours[1].split(","))) if ours else [each]
    return {re.split(r"[<>=\[ ;]", each)[0] for each in found}


@pytest.mark.parametrize("role", EXTRAS)
def test_a_roles_requirements_are_a_part_of_the_lock_and_hold_what_its_extras_ask_for(role: str) -> None:
    """`make lock` writes them; a change of pyproject.toml without it fails here."""
    path = FOLDER / f"{role}.txt"
    assert blocks(path) <= blocks(ROOT / "requirements-dev.txt")
    assert asked(EXTRAS[role]) <= names(path)
    assert blocks(FOLDER / "gateway.txt") <= blocks(path)  # the Dockerfile installs these first, for all
    assert not ABSENT.get(role, set()) & names(path)


def test_what_builds_the_wheel_is_in_the_lock() -> None:
    assert blocks(FOLDER / "build.txt") <= blocks(ROOT / "requirements-dev.txt")
    assert "hatchling" in names(FOLDER / "build.txt")


def test_there_is_a_stage_for_every_role() -> None:
    stages = re.findall(r"^FROM common AS role-(\w+)$", (ROOT / "infra/docker/Dockerfile").read_text(), re.MULTILINE)
    assert set(stages) == set(EXTRAS)
