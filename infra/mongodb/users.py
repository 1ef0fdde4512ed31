"""Makes one role and one user per service in MongoDB, as an administrator.

    SIGHTLINE_STORE_FILE=administrator python -m infra.mongodb.users --passwords FOLDER

The file holds an administrator's address, e.g. mongodb://admin:...@host/sightline?authSource=admin.
Roles and users live in the database that the address names. Done again, it brings them up to date. `install` is the
user that makes indexes, before services of a new version start.
"""

import argparse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from infra.passwords import PasswordFolder
from services.kit.errors import ConfigError
from services.kit.logging import redact
from services.kit.settings import load
from services.kit.store.mongo.roles import ROLE_NAMES, RoleName, privileges

_TIMEOUT_MS = 10_000
_ROLE_EXISTS = 51002
_USER_EXISTS = 51003


def create_users(url: str, passwords: PasswordFolder) -> dict[RoleName, str]:
    """Make or renew every role and user in the database of an administrator's address; return the users' addresses."""
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=_TIMEOUT_MS, timeoutMS=_TIMEOUT_MS) as client:
        database = client.get_default_database("sightline")
        for role in ROLE_NAMES:
            allowed = {"privileges": privileges(role, database.name), "roles": []}
            _make(database, "Role", role, allowed, _ROLE_EXISTS)
            user = {"pwd": passwords.password(role), "roles": [{"role": role, "db": database.name}]}
            _make(database, "User", role, {**user, "mechanisms": ["SCRAM-SHA-256"]}, _USER_EXISTS)
        return {role: _address(url, role, passwords.password(role), database.name) for role in ROLE_NAMES}


def main() -> None:
    """Make them and print their names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="an administrator's address, with the platform's database; or SIGHTLINE_STORE")
    parser.add_argument(
        "--passwords", type=Path, required=True, help="folder with one file per user; made when missing"
    )
    given = parser.parse_args()
    try:
        store = load(store=given.store).store_url
        if not store.startswith("mongodb"):
            parser.error("give the address of a MongoDB in SIGHTLINE_STORE_FILE, SIGHTLINE_STORE or --store")
        roles = create_users(store, PasswordFolder(given.passwords))
    except (ConfigError, PyMongoError, ValueError) as error:  # ValueError: an address with a bad port
        parser.exit(1, f"{parser.prog}: {redact(str(error))}\n")
    for role in roles:
        print(f"{role}: password in {given.passwords / role}")


def _make(database: Database[dict[str, Any]], kind: str, name: str, body: dict[str, Any], exists: int) -> None:
    """Create a role or a user, or bring the one that is there up to date."""
    try:
        database.command({f"create{kind}": name, **body})
    except OperationFailure as error:
        if error.code != exists:
            raise
        database.command({f"update{kind}": name, **body})


def _address(url: str, user: str, password: str, database: str) -> str:
    """The address of a user of the same servers; users are known in the database that they use."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    options = "&".join(each for each in parts.query.split("&") if each and not each.startswith("authSource="))
    netloc = f"{user}:{quote(password, safe='')}@{hosts}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}", query=options))


if __name__ == "__main__":
    main()
