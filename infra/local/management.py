"""The few calls of RabbitMQ's management API that servers of one's own need.

They take milliseconds where `rabbitmqctl` starts an Erlang of its own.
"""

import base64
import http.client
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from infra.local.errors import ServerFailedError

_ANSWER_S = 20.0


@dataclass(frozen=True, slots=True)
class Management:
    """The management API at an address, as one user."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def ready(self) -> bool:
        """Whether it answers and knows the user."""
        try:
            return self._call("GET", "/api/whoami") == http.client.OK
        except OSError:
            return False

    def add_vhost(self, name: str) -> str:
        """Make a fresh virtual host, named after `name`, in which the user may do everything; return its full name."""
        name = f"{name}-{secrets.token_hex(4)}"
        self._succeed("PUT", f"/api/vhosts/{quote(name, safe='')}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._succeed("PUT", f"/api/permissions/{quote(name, safe='')}/{quote(self.user, safe='')}", everything)
        return name

    def remove_vhost(self, name: str) -> None:
        """Remove a virtual host with everything in it."""
        self._succeed("DELETE", f"/api/vhosts/{quote(name, safe='')}")

    def define(self, definitions: Mapping[str, object]) -> None:
        """Import a definitions document."""
        self._succeed("POST", "/api/definitions", definitions)

    def message_counts(self) -> dict[str, int]:
        """How many messages were published, confirmed, delivered and acknowledged so far, some seconds late."""
        status, body = self._answer("GET", "/api/overview")
        if status != http.client.OK:
            raise ServerFailedError(f"RabbitMQ's management answered {status} to GET /api/overview")
        stats = json.loads(body).get("message_stats", {})
        return {name: int(stats.get(name, 0)) for name in ("publish", "confirm", "deliver", "ack")}

    def _succeed(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        status = self._call(method, path, body)
        if status >= http.client.MULTIPLE_CHOICES:
            raise ServerFailedError(f"RabbitMQ's management answered {status} to {method} {path}")

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> int:
        return self._answer(method, path, body)[0]

    def _answer(self, method: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_ANSWER_S)
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"management at {self.host}:{self.port}: {error!r}") from error
        finally:
            connection.close()
