"""The secrets of compose.yaml: private, complete, made once, and changed by removing a file."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from infra.compose.secret_files import SERVICES, main, make_secrets
from services.kit.logging import redact
from tests.support.server import ROOT


def everything(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_there_is_a_file_for_every_secret_that_compose_mounts(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    composed = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
    for secret in composed["secrets"].values():
        name = secret["file"].removeprefix("${SIGHTLINE_SECRETS:-./secrets}/")
        assert (tmp_path / "secrets" / name).read_text().strip()


def test_they_are_made_where_no_driver_is_installed(tmp_path: Path) -> None:
    without = (
        "import sys; sys.modules |= dict.fromkeys(['pymongo', 'bson', 'motor', 'aio_pika', 'aiormq', 'pamqp', 'yarl'])"
    )
    command = f"{without}; from infra.compose.secret_files import main; main([{str(tmp_path / 'secrets')!r}])"
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "secrets" / "token").exists()


def test_only_the_owner_enters_and_done_again_nothing_changes_but_salts(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    first = everything(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    make_secrets(folder)
    second = everything(folder)
    changed = {name for name, text in first.items() if second[name] != text}
    assert changed == {"rabbitmq-definitions.json"}


def test_the_broker_is_given_no_password_that_could_be_read(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    told = (tmp_path / "rabbitmq-definitions.json").read_text()
    assert {user["name"] for user in json.loads(told)["users"]} == {"topology", *SERVICES}
    for file in (tmp_path / "rabbitmq").iterdir():
        assert file.read_text().strip() not in told


def test_a_removed_password_is_a_new_one_in_its_address_and_no_other(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    before = everything(tmp_path)
    (tmp_path / "mongodb" / "search").unlink()
    make_secrets(tmp_path)
    after = everything(tmp_path)
    changed = {name for name, text in before.items() if after[name] != text} - {"rabbitmq-definitions.json"}
    assert changed == {"mongodb/search", "search-store"}
    assert urlsplit(after["search-store"].strip()).password == after["mongodb/search"].strip()
    assert redact(after["search-store"]) == "mongodb://...@mongodb:27017/sightline?replicaSet=rs0\n"


def test_a_device_gets_a_user_where_it_is_asked_for(tmp_path: Path) -> None:
    main([str(tmp_path), "--device", "north.camera-1"])
    users = json.loads((tmp_path / "rabbitmq-definitions.json").read_text())["users"]
    assert "device.north.camera-1" in {user["name"] for user in users}
