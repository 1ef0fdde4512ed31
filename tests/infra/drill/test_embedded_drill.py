"""A short drill as a user runs it: the all-in-one process, killed and frozen under load, keeps its promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from infra.drill.task import LETHAL_HERE
from tests.support.server import ROOT, clean_environment


@pytest.mark.timeout(180)
def test_a_killed_all_in_one_platform_loses_and_doubles_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report"
    options = ("--embedded", "--seconds", "15", "--seed", "8", "--json", "--report", str(report))
    done = subprocess.run(
        [sys.executable, "-m", "sightline", "drill", *options],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    counters = found["counters"]
    assert found["verdict"] == "passed"
    assert found["seed"] == 8
    assert {counters[name] for name in ("lost", "unexpected", "duplicated", "wrong", "expired")} == {0}
    assert counters["repeated"] > 0
    assert counters["acknowledged"] > 50
    assert counters["answered"] + counters["failed"] == counters["acknowledged"] + found["recovered"]
    assert counters["failed"] == sum(found["planted"].values())
    assert found["planted"]["image_corrupt"] > 0
    assert found["planted"].get("worker_crashed", 0) == LETHAL_HERE
    assert found["restarts"]["platform"]["by the drill"] >= 2
    searches = found["searches"]
    assert searches.keys() == counters.keys()
    assert searches["answered"] == searches["acknowledged"] > 4
    assert json.loads((report / "report.json").read_text()) == found
    with Image.open(report / "report.png") as picture:
        assert picture.size[0] > 1000
    acknowledged = [line for line in (report / "journal.jsonl").read_text().splitlines() if '"acknowledged"' in line]
    assert len(acknowledged) == counters["acknowledged"]


def test_addresses_come_in_pairs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sightline", "drill", "--bus", "amqp://localhost", "--report", str(tmp_path)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("sightline: give --bus and --store")
