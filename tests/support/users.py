"""A virtual host and a database with one user of least privilege per service."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlsplit, urlunsplit

from infra.local.rabbitmq import vhost_of
from infra.mongodb.users import create_users
from infra.passwords import PasswordFolder
from infra.rabbitmq.users import definitions, user_permissions
from services.kit.bus.port import DEVICE_USER
from services.kit.store.mongo.roles import RoleName
from tests.support.servers import AmqpServer, session_folder


@dataclass(frozen=True, slots=True)
class AmqpUsers:
    """Addresses in one virtual host, by user."""

    admin: str
    users: dict[str, str]

    def device(self, name: str) -> str:
        """The address of a device, named `tenant` or `tenant.name`."""
        return self.users[DEVICE_USER + name]


def amqp_users(server: AmqpServer, *, devices: Sequence[str] = ()) -> AmqpUsers:
    """Give a fresh virtual host its users.

    Users belong to the whole server, so they have the same passwords in every virtual host of a session; each virtual
    host grants its own permissions.
    """
    admin = server.vhost("users")
    passwords = _passwords()
    table = user_permissions(devices)
    server.define(definitions(vhost_of(admin), table, passwords))
    parts = urlsplit(admin)
    host = parts.netloc.rpartition("@")[2]

    def address(user: str) -> str:
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(passwords.password(user), safe='')}@{host}"))

    return AmqpUsers(admin, {user: address(user) for user in table})


def mongodb_users(url: str) -> dict[RoleName, str]:
    """Give the database of an administrator's address its roles and users; return their addresses."""
    return create_users(url, _passwords())


@cache
def _passwords() -> PasswordFolder:
    return PasswordFolder(session_folder("passwords"))
