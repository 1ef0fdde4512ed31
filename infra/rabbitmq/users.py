"""Prints the users and permissions of the services as RabbitMQ definitions; passwords only as salted hashes.

    python -m infra.rabbitmq.users --passwords FOLDER | rabbitmqctl import_definitions

Done again, it changes nothing but what the tables of the services or the files of passwords changed. `topology` is the
administrator of the virtual host: it declares exchanges and queues (`sightline topology declare`), no service does.
"""

import argparse
import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contracts.base import NAME_PATTERN
from infra.passwords import PasswordFolder
from services.kit.bus.port import DEVICE_USER
from services.kit.bus.rabbit.permissions import DEVICE, Permissions, permissions, roles
from services.kit.bus.rabbit.topology import EXCHANGE_TYPES

TOPOLOGY = "topology"
_PLAIN = {"auto_delete": False, "internal": False, "arguments": {}}
_EVERYTHING = Permissions(".*", ".*", ".*")
_DEVICE_NAME = re.compile(NAME_PATTERN.rstrip("$") + r"(\.[A-Za-z0-9_-]{1,63})?")


def user_permissions(devices: Iterable[str] = ()) -> dict[str, Permissions]:
    """Return what each user is allowed: one per service, one per device, and `topology`.

    A device is named by its tenant, or `tenant.name`; its user is that after the prefix by which workers know whom to
    believe about the tenant.
    """
    table = {role: permissions(role) for role in roles() if role != DEVICE}
    for device in devices:
        if not _DEVICE_NAME.fullmatch(device):
            raise ValueError(f"a device is named tenant or tenant.name, not {device!r}")
        table[DEVICE_USER + device] = permissions(DEVICE)
    return {TOPOLOGY: _EVERYTHING, **table}


def definitions(vhost: str, table: Mapping[str, Permissions], passwords: PasswordFolder) -> dict[str, Any]:
    """Return a definitions document that makes the virtual host, the users, and what they are allowed in it."""
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": user,
                "password_hash": _hash(passwords.password(user)),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
            for user in table
        ],
        **grants(vhost, table),
    }


def grants(vhost: str, table: Mapping[str, Permissions]) -> dict[str, list[dict[str, Any]]]:
    """Return the parts of a definitions document that say what users are allowed in a virtual host.

    Keys are allowed by exchange, which RabbitMQ wants to be there first: so these come along.
    """
    whom = {user: {"user": user, "vhost": vhost} for user in table}
    exchanges = sorted({topic.exchange for allowed in table.values() for topic in allowed.topics})
    return {
        "exchanges": [
            {"name": name, "vhost": vhost, "type": EXCHANGE_TYPES[name], "durable": True, **_PLAIN}
            for name in exchanges
        ],
        "permissions": [
            {**whom[user], "configure": allowed.configure, "write": allowed.write, "read": allowed.read}
            for user, allowed in table.items()
        ],
        "topic_permissions": [
            {**whom[user], **topic._asdict()} for user, allowed in table.items() for topic in allowed.topics
        ],
    }


def main() -> None:
    """Print the definitions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--passwords", type=Path, required=True, help="folder with one file per user; made when missing"
    )
    parser.add_argument("--vhost", default="/", help="virtual host of the platform")
    parser.add_argument("--device", action="append", default=[], metavar="TENANT[.NAME]", help="a user for a device")
    given = parser.parse_args()
    table = user_permissions(given.device)
    print(json.dumps(definitions(given.vhost, table, PasswordFolder(given.passwords)), indent=2))


def _hash(password: str) -> str:
    """The password as RabbitMQ stores it: a salt of four bytes, then SHA-256 of salt and password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


if __name__ == "__main__":
    main()
