"""One RabbitMQ node as a process of this user, from Debian's or anyone's `rabbitmq-server`.

The node has its own home (hence its own cookie), its own ports and its own epmd, so that it meets no other node of
the machine and nothing of it stays behind. Nodes in places of their own that are given one cookie may `join`.
"""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from infra.local import processes
from infra.local.amqp import version_at
from infra.local.errors import ServerFailedError, ServerMissingError
from infra.local.management import Management
from infra.local.places import HERE, Place

# The wrapper in /usr/sbin drops to the user of the system service and ignores our environment.
_PROGRAM_FOLDERS = (Path("/usr/lib/rabbitmq/bin"), Path("/opt/rabbitmq/sbin"), Path("/usr/local/opt/rabbitmq/sbin"))
_START_S = 120.0
_STOP_S = 30.0
_CTL_S = 60.0
_EPMD_PORT = 4369
"""Where every node of a cluster looks for the others; a place of its own has it for itself."""
USER = "sightline"
PLUGINS = "[rabbitmq_management].\n"
INSTALL = (
    "no RabbitMQ here: install Debian's with `apt-get install rabbitmq-server` (`infra/local/install.sh "
    "rabbitmq-server` does, without starting the system's service), or give SIGHTLINE_TEST_AMQP_URL, or start a "
    "Docker engine"
)


def find_programs() -> Path:
    """The folder of `rabbitmq-server` and `rabbitmqctl`.

    Raises:
        ServerMissingError: there is none.
    """
    for folder in _PROGRAM_FOLDERS:
        if (folder / "rabbitmq-server").exists():
            return folder
    if (found := shutil.which("rabbitmq-server")) and not found.startswith("/usr/sbin"):
        return Path(found).resolve().parent
    raise ServerMissingError(INSTALL)


def server_config(*, user: str, password: str, extra: Mapping[str, str] | None = None) -> str:
    """The text of a `rabbitmq.conf` with one administrator, who may come from anywhere."""
    lines = {"loopback_users": "none", "default_user": user, "default_pass": password}
    return "".join(f"{name} = {value}\n" for name, value in {**lines, **(extra or {})}.items())


def url_of(*, user: str, password: str, port: int, vhost: str = "/", host: str = "127.0.0.1") -> str:
    """The address of a user of a RabbitMQ, on this machine unless a host is given."""
    return f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}/{quote(vhost, safe='')}"


def vhost_of(url: str) -> str:
    """The name of the virtual host in an address."""
    return unquote(urlsplit(url).path.removeprefix("/"))


class RabbitMQ:
    """A node with its data in `folder`. It keeps its ports and data over `stop`, `kill` and `start`.

    `url` is the address of its administrator, with the virtual host `/`. `close` ends it for good; the folder stays.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: Mapping[str, str] | None = None,
        port: int | None = None,
        place: Place = HERE,
        secret: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a node. `secret` is the cookie and the administrator's password; those of one cluster share it."""
        self._programs = find_programs()
        self._folder = folder
        self._place = place
        free = processes.free_ports(4)
        self.port = port or free[0]
        self._epmd_port = free[1] if place.on_loopback else _EPMD_PORT
        self._password = secret or secrets.token_urlsafe(16)
        self.management = Management(place.address, free[2], USER, self._password)
        self.node = f"sightline{self.port}@{'localhost' if place.on_loopback else place.address}"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        own = {"listeners.tcp.1": f"{place.address}:{self.port}"}
        own |= {"log.console": "false", "management.tcp.ip": place.address, "management.tcp.port": str(free[2])}
        text = server_config(user=USER, password=self._password, extra={**own, **(config or {})})
        (folder / "rabbitmq.conf").write_text(text)
        (folder / "enabled_plugins").write_text(PLUGINS)
        (folder / "rabbitmq-env.conf").touch()
        cookie = folder / ".erlang.cookie"
        cookie.touch(mode=0o600)
        cookie.write_text(self._password)
        self._environment = self._make_environment(free[3]) | dict(environment or {})

    @property
    def url(self) -> str:
        return self._url("/")

    @property
    def version(self) -> str:
        return version_at(self.url) or "(not running)"

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process group of the running node."""
        return self._running().pid

    @property
    def log(self) -> Path:
        return self._folder / "node.log"

    def start(self) -> None:
        """Start it and return when it takes connections; nothing happens when it runs.

        Raises:
            ServerFailedError: it did not start.
        """
        if self.runs:
            return
        self._start_epmd()
        self._process = processes.spawn(
            [*self._place.entering, self._programs / "rabbitmq-server"],
            folder=self._folder,
            log=self._folder / "output.log",
            environment=self._environment,
        )
        processes.wait_until(
            lambda: version_at(self.url) is not None and self.management.ready(),
            process=self._process,
            logs=[self._folder / "output.log", self.log],
            timeout_s=_START_S,
        )

    def stop(self) -> None:
        """Shut it down in good order."""
        if self._process is not None:
            processes.end(self._process, patience_s=_STOP_S)

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self._process is not None:
            processes.kill(self._process)

    def pause(self) -> None:
        """Freeze it: its sockets stay open and nothing answers."""
        processes.signal_group(self._running(), signal.SIGSTOP)

    def resume(self) -> None:
        processes.signal_group(self._running(), signal.SIGCONT)

    def close(self) -> None:
        """End the node and its epmd without good order."""
        self.kill()
        if self._epmd is not None:
            processes.kill(self._epmd)

    def vhost(self, name: str) -> str:
        """Make a fresh virtual host, named after `name`, and return the administrator's address in it."""
        made = self.management.add_vhost(name)
        return self._url(made)

    def remove_vhost(self, url: str) -> None:
        """Remove the virtual host of an address, with everything in it."""
        self.management.remove_vhost(vhost_of(url))

    def define(self, definitions: Mapping[str, object]) -> None:
        """Import a definitions document: virtual hosts, users, permissions."""
        self.management.define(definitions)

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` against the node and return what it prints.

        Raises:
            ServerFailedError: it failed; the message holds what it printed.
        """
        ctl = [*self._place.entering, str(self._programs / "rabbitmqctl"), "--silent", "--node", self.node]
        if not self._place.on_loopback:
            ctl.append("--longnames")
        done = subprocess.run(  # noqa: S603 (the program is found by us)
            [*ctl, *arguments], env=self._environment, capture_output=True, text=True, timeout=_CTL_S, check=False
        )
        if done.returncode:
            raise ServerFailedError(f"rabbitmqctl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def join(self, other: "RabbitMQ") -> None:
        """Become a member of another node's cluster; what this node stored is forgotten."""
        self.ctl("stop_app")
        self.ctl("join_cluster", other.node)
        self.ctl("start_app")

    def _url(self, vhost: str) -> str:
        return url_of(user=USER, password=self._password, port=self.port, vhost=vhost, host=self._place.address)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise ServerFailedError("RabbitMQ is not running")
        return self._process

    def _start_epmd(self) -> None:
        """A child of ours instead of the daemon that Erlang would leave behind on the shared port."""
        if self._epmd is not None and self._epmd.poll() is None:
            return
        program = shutil.which("epmd")
        if program is None:
            raise ServerMissingError("no epmd on the PATH: it belongs to Erlang (Debian: erlang-base)")
        self._epmd = processes.spawn(
            [*self._place.entering, program, "-port", str(self._epmd_port), "-address", self._place.address],
            folder=self._folder,
            log=self._folder / "epmd.log",
        )

    def _make_environment(self, distribution_port: int) -> dict[str, str]:
        folder = self._folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
        return kept | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": self._place.address,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_USE_LONGNAME": str(not self._place.on_loopback).lower(),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": str(self.log),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
            # Busy-waiting schedulers take the cores from the services beside them.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }
