"""The shell scripts: readable by the shell, and clear where they cannot go on."""

import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT

SCRIPTS = [ROOT / ".ci" / "run", *sorted((ROOT / "infra").rglob("*.sh"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_parses_and_may_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_engine_script_explains_itself() -> None:
    done = subprocess.run([str(ROOT / "infra/images/engine.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "engine.sh start" in done.stdout
    assert "engine.sh stop" in done.stdout
