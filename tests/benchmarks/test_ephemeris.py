"""The benchmark of an import runs, and what it imported is found. How long that took is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT, clean_environment


@pytest.mark.timeout(120)
def test_what_is_imported_is_counted_measured_and_found(tmp_path: Path) -> None:
    output = tmp_path / "ephemeris.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ephemeris", "--days", "2", "--output", str(output)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())["imports"]["2"]
    assert (found["records"], found["rows_of_the_last_day_found"]) == (2880, 1440)
    assert found["client_peak_mib"] > 20
    assert found["wall_s"] > 0
