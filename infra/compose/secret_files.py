"""Makes the secrets of infra/compose.yaml, each in a file of its own.

    python -m infra.compose.secret_files [FOLDER]

Passwords are made where their file is missing, so a removed file is a changed password; everything else is written
from them anew. The folder is its owner's alone; inside, files are readable, since services in containers are other
users, and each sees only the files that compose.yaml gives it. `token` is the first token of the installation.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from infra.compose.places import ADMINISTRATOR, BUS, DATABASE, SECRETS, STORE, VHOST
from infra.local import rabbitmq
from infra.passwords import PasswordFolder, make_key
from infra.rabbitmq.users import TOPOLOGY, definitions, user_permissions
from services.kit.auth import new_token
from services.kit.store.mongo.roles import ROLE_NAMES

SERVICES = ("submitter", "inference", "search", "result_store", "gateway")


def make_secrets(folder: Path, devices: Iterable[str] = ()) -> None:
    """Make what is missing in `folder`, and write what follows from it. `devices` are named tenant or tenant.name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    brokers, stores = PasswordFolder(folder / "rabbitmq"), PasswordFolder(folder / "mongodb")
    table = user_permissions(devices)
    _write(folder / "rabbitmq-definitions.json", json.dumps(definitions(VHOST, table, brokers), indent=2))
    for user in (*SERVICES, TOPOLOGY):
        host, _, port = BUS.partition(":")
        address = rabbitmq.url_of(user=user, password=brokers.password(user), host=host, port=int(port), vhost=VHOST)
        _write(folder / f"{user}-bus", address)
    for role in ROLE_NAMES:
        password = stores.password(role)
        if role in SERVICES:
            _write(
                folder / f"{role}-store",
                f"mongodb://{role}:{quote(password, safe='')}@{STORE}/{DATABASE}?replicaSet=rs0",
            )
    stores.password(ADMINISTRATOR)
    _write_once(folder / "mongodb-key", make_key())
    _write_once(folder / "token", new_token())
    for name in ("token-pepper", "grafana-password"):
        PasswordFolder(folder).password(name)
    _open_up(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make them, and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=SECRETS, help="infra/secrets beside compose.yaml")
    parser.add_argument("--device", action="append", default=[], metavar="TENANT[.NAME]", help="a user for a device")
    given = parser.parse_args(arguments)
    try:
        make_secrets(given.folder, given.device)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(f"{given.folder}: the secrets of compose.yaml; {given.folder / 'token'} is the first token")


def _write(file: Path, text: str) -> None:
    """In place: a container that has the file open as a mount sees the new text."""
    file.touch(mode=0o600)
    file.write_text(text + "\n")


def _write_once(file: Path, text: str) -> None:
    if not file.exists():
        _write(file, text)


def _open_up(folder: Path) -> None:
    for each in folder.rglob("*"):
        each.chmod(0o755 if each.is_dir() else 0o644)


if __name__ == "__main__":
    main()
