"""The address of a RabbitMQ: what it may say, and how to reach it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from services.kit.errors import ConfigError

_HEARTBEAT_S = 10
"""A peer that is gone without a word is given up after three of these and a bit."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the members of a RabbitMQ are and as whom to go there. `str` of it holds no secret."""

    members: tuple[URL, ...]
    tls: ssl.SSLContext | None

    @property
    def user(self) -> str:
        """The user that the broker knows us by."""
        return self.members[0].user or "guest"

    def __str__(self) -> str:
        return ", ".join(place_of(member) for member in self.members)


def place_of(member: URL) -> str:
    """Return host and port of one member."""
    return f"{member.host_subcomponent}:{member.port}"


def parse_address(text: str, ca_file: Path | None = None) -> Address:
    """Return the address `amqp[s]://user:password@host:port/vhost`, each part percent-encoded.

    Several hosts with commas between them are the members of a cluster, of which any will do.

    Raises:
        ConfigError: it cannot be one; the message never repeats it.
    """
    scheme, _, rest = text.partition("://")
    netloc, slash, path = rest.partition("/")
    user, at, hosts = netloc.rpartition("@")
    members = tuple(_member(f"{scheme}://{user}{at}{host}{slash}{path}") for host in hosts.split(","))
    secure = scheme == "amqps"
    if ca_file is not None and not secure:
        raise ConfigError("bus_ca_file is given, but the address of the bus is not amqps://")
    return Address(members, _tls(ca_file) if secure else None)


def _member(text: str) -> URL:
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise ConfigError("bus: that is not an address; percent-encode what is special in user and password") from None
    if url.scheme not in {"amqp", "amqps"} or not url.host:
        raise ConfigError("bus: an address of RabbitMQ looks like amqps://user:password@host:5671/vhost")
    if url.query_string or url.fragment:
        # The driver reads options here, one of which turns the check of certificates off.
        raise ConfigError("bus: the address of RabbitMQ takes no options after ? or #; percent-encode them if they are")
    if url.raw_path.count("/") > 1:
        raise ConfigError("bus: write a / in the name of a virtual host as %2F")
    standard = 5671 if url.scheme == "amqps" else 5672
    return url.with_port(port or standard).with_query(heartbeat=str(_HEARTBEAT_S))


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"bus_ca_file: cannot read certificates from it: {error.__class__.__name__}") from None
