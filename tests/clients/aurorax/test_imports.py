"""What the command imports, the client finds, on both pairs of adapters."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightline.command.app import create_app
from tests.clients.aurorax.conftest import LATEST, Platform
from tests.support.orbits import write_csv

pytestmark = pytest.mark.timeout(240)


def test_what_is_imported_is_found_counted_and_deleted_by_the_client(platform: Platform, tmp_path: Path) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    lines = [
        f"{start + timedelta(minutes=n):%Y-%m-%dT%H:%M:%S},{n % 50 / 10},{n % 50 / 10},good" for n in range(2 * 1440)
    ]
    path = write_csv(tmp_path / "positions.csv", lines)
    command = ["ephemeris", "import", str(path), "--source", "imports/one/footprint", "--create", "leo"]
    ran = CliRunner().invoke(create_app(), command, env={"SIGHTLINE_URL": platform.url, "SIGHTLINE_TOKEN": ""})
    assert ran.exit_code == 0, ran.output
    platform.run("imported.py", LATEST)
