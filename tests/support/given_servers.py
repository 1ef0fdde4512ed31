"""Servers that somebody else runs, given by their addresses. They can be used, not taken away."""

import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

from infra.local.amqp import version_at
from infra.local.errors import ServerFailedError, ServerMissingError
from infra.local.mongodb import drop_database
from infra.local.rabbitmq import vhost_of

_CTL = "SIGHTLINE_TEST_RABBITMQCTL"
_CTL_S = 60.0


class _NotOurs:
    """The switches of a server that we must not touch."""

    def start(self) -> None:
        """Nothing to do: it runs."""

    def stop(self) -> NoReturn:
        raise ServerMissingError("this test takes its server away, which a server given by address does not allow")

    kill = pause = resume = stop


class GivenAmqp(_NotOurs):
    """The RabbitMQ at an administrator's address. `rabbitmqctl` is the command in SIGHTLINE_TEST_RABBITMQCTL."""

    def __init__(self, url: str) -> None:
        self.url = url
        found = version_at(url)
        if found is None:
            raise ServerMissingError(
                f"no RabbitMQ answers at {urlsplit(url).hostname}, given by SIGHTLINE_TEST_AMQP_URL"
            )
        self.version = found

    def vhost(self, name: str) -> str:
        made = f"{name}-{secrets.token_hex(4)}"
        parts = urlsplit(self.url)
        self.ctl("add_vhost", made)
        self.ctl("set_permissions", "-p", made, parts.username or "guest", ".*", ".*", ".*")
        return urlunsplit(parts._replace(path="/" + quote(made, safe="")))

    def remove_vhost(self, url: str) -> None:
        self.ctl("delete_vhost", vhost_of(url))

    def define(self, definitions: Mapping[str, object]) -> None:
        self._run(("import_definitions",), json.dumps(definitions))

    def ctl(self, *arguments: str) -> str:
        return self._run(arguments, "")

    def _run(self, arguments: Sequence[str], said: str) -> str:
        command = os.environ.get(_CTL)
        if not command:
            raise ServerMissingError(
                f"give the command that runs rabbitmqctl against SIGHTLINE_TEST_AMQP_URL in {_CTL}"
            )
        done = subprocess.run(
            [*shlex.split(command), *arguments], input=said, capture_output=True, text=True, timeout=_CTL_S, check=False
        )
        if done.returncode:
            raise ServerFailedError(f"{command} {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout


class GivenMongo(_NotOurs):
    """The MongoDB replica set at an administrator's address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def database(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}-{secrets.token_hex(4)}"))

    def remove_database(self, url: str) -> None:
        drop_database(url)
