"""compose.yaml as it is written: what only running it shows is in tests/e2e/test_containers.py."""

from typing import Any

import pytest
import yaml

from infra.compose.secret_files import SERVICES
from tests.support.server import ROOT

COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())


def test_nothing_but_the_proxy_is_published() -> None:
    assert [name for name, service in COMPOSED["services"].items() if "ports" in service] == ["edge"]
    assert COMPOSED["networks"]["back"] == {"internal": True}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_holds_no_secret_of_another(name: str) -> None:
    service = COMPOSED["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all("size=" in folder for folder in service["tmpfs"])
    assert service["secrets"] == [f"{name}-bus", f"{name}-store", "token-pepper"]
    assert not [key for key in service["environment"] if key in {"SIGHTLINE_BUS", "SIGHTLINE_STORE"}]
    assert service["depends_on"] == {"prepare": {"condition": "service_completed_successfully"}}
