"""What can be known of a broker by its first words."""

import re
import socket
from urllib.parse import urlsplit

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_VERSION = re.compile(rb"\x07versionS.{4}([0-9.]+)", re.DOTALL)
_ANSWER_S = 5.0
_GREETING_BYTES = 65536


def version_at(url: str) -> str | None:
    """The version that the RabbitMQ at an `amqp://` address greets with; None when nothing greets there."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), _ANSWER_S) as connection:
            connection.sendall(_PROTOCOL_HEADER)
            said = connection.recv(_GREETING_BYTES)
    except OSError:
        return None
    found = _VERSION.search(said)
    return found[1].decode() if found else None
