"""The page of the client: it names every method, and programs that exist and use it."""

import re
import subprocess

import pytest

from tests.clients.groundlight.conftest import LATEST, PROGRAMS
from tests.support.clients import python_of
from tests.support.server import ROOT

_ROW = re.compile(r"^\| `([a-z_.]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
_PROGRAM = re.compile(r"`([a-z_]+\.py)`")
ROWS = {name: tested for name, _, tested in _ROW.findall((ROOT / "docs" / "groundlight.md").read_text())}


@pytest.mark.timeout(240)
def test_the_page_has_a_row_for_every_method_and_no_other() -> None:
    command = [str(python_of("groundlight", LATEST)), str(PROGRAMS / "methods.py")]
    assert set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()) == set(ROWS)


def test_a_program_that_tests_a_method_uses_it() -> None:
    for method, tested in ROWS.items():
        programs = _PROGRAM.findall(tested)
        if method not in {"close", "edge_base_url", "edge.apply_config"}:
            assert programs, method
            for program in programs:
                assert f".{method.rpartition('.')[2]}(" in (PROGRAMS / program).read_text(), (method, program)
