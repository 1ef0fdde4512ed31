"""The servers of a test session as containers.

`engine.prepare` must run before this is imported, since testcontainers reads its settings when it is imported.
"""

import secrets
import time
from collections.abc import Callable, Mapping

from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget

from infra.local import mongodb, rabbitmq
from infra.local.amqp import version_at
from infra.local.errors import ServerFailedError
from infra.local.management import Management
from infra.local.processes import free_ports
from infra.passwords import make_key
from tests.support import engine

_START_S = 120.0
_STOP_S = 30
_PAUSE_S = 0.1
_LOG_TAIL = 3000


class _Answers(WaitStrategy):
    """Waits until a server says that it serves."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        super().__init__()
        self._ready = ready

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:
        deadline = time.monotonic() + _START_S
        while not self._ready():
            container.reload()
            if container.status not in {"created", "running"} or time.monotonic() > deadline:
                said = b"".join(container.get_logs()).decode(errors="replace")
                raise ServerFailedError(f"the container is {container.status}, not serving:\n{said[-_LOG_TAIL:]}")
            time.sleep(_PAUSE_S)


class _Container:
    """A container whose ports are published at the same addresses however often it is stopped and started."""

    def __init__(self, image: str, *, ports: dict[int, int], ready: Callable[[], bool]) -> None:
        self._wait = _Answers(ready)
        self.docker = DockerContainer(image).waiting_for(self._wait)
        for inner, outer in ports.items():
            # A tuple is the engine's way to name the address; testcontainers' own method knows only the port.
            self.docker.ports[f"{inner}/tcp"] = ("127.0.0.1", outer) if engine.is_local() else outer  # type: ignore[assignment]
        self.keyword_arguments: dict[str, object] = {"labels": {engine.OWNER_LABEL: engine.owner()}}

    def launch(self) -> None:
        self.docker.with_kwargs(**self.keyword_arguments)
        self.docker.start()

    def start(self) -> None:
        self.docker.get_wrapped_container().start()
        self._wait.wait_until_ready(self.docker)

    def stop(self) -> None:
        self.docker.get_wrapped_container().stop(timeout=_STOP_S)

    def kill(self) -> None:
        container = self.docker.get_wrapped_container()
        container.kill()
        container.wait()

    def pause(self) -> None:
        self.docker.get_wrapped_container().pause()

    def resume(self) -> None:
        self.docker.get_wrapped_container().unpause()

    def close(self) -> None:
        self.docker.stop()


class AmqpContainer(_Container):
    """A RabbitMQ in a container, from the official image or from an offline one."""

    def __init__(self, image: str, *, config: Mapping[str, str]) -> None:
        self._port, management_port = free_ports(2)
        self._password = secrets.token_urlsafe(16)
        super().__init__(image, ports={5672: self._port, 15672: management_port}, ready=self._serves)
        self._host = self.docker.get_docker_client().host()
        self._management = Management(self._host, management_port, rabbitmq.USER, self._password)
        logged = {"log.console": "true", "log.console.level": "warning"}
        text = rabbitmq.server_config(user=rabbitmq.USER, password=self._password, extra={**logged, **config})
        self.docker.with_copy_into_container(text.encode(), "/etc/rabbitmq/sightline.conf")
        self.docker.with_copy_into_container(rabbitmq.PLUGINS.encode(), "/etc/rabbitmq/enabled_plugins")
        self.docker.with_env("RABBITMQ_CONFIG_FILE", "/etc/rabbitmq/sightline.conf")
        self.launch()
        self.version = version_at(self.url) or ""

    @property
    def url(self) -> str:
        return self._url("/")

    def vhost(self, name: str) -> str:
        return self._url(self._management.add_vhost(name))

    def remove_vhost(self, url: str) -> None:
        self._management.remove_vhost(rabbitmq.vhost_of(url))

    def define(self, definitions: Mapping[str, object]) -> None:
        self._management.define(definitions)

    def ctl(self, *arguments: str) -> str:
        done = self.docker.exec(["rabbitmqctl", "--silent", *arguments])
        said = done.output.decode()
        if done.exit_code:
            raise ServerFailedError(f"rabbitmqctl {' '.join(arguments)}: {said}")
        return said

    def _url(self, vhost: str) -> str:
        return rabbitmq.url_of(
            user=rabbitmq.USER, password=self._password, host=self._host, port=self._port, vhost=vhost
        )

    def _serves(self) -> bool:
        return version_at(self.url) is not None and self._management.ready()


class MongoContainer(_Container):
    """A MongoDB replica set of one in a container, from the official image or from an offline one."""

    def __init__(self, image: str) -> None:
        (port,) = free_ports(1)
        self._password = secrets.token_urlsafe(16)
        self._key = make_key()
        super().__init__(image, ports={27017: port}, ready=self._serves)
        self._address = f"{self.docker.get_docker_client().host()}:{port}"
        options = mongodb.arguments(port=27017, key_file="/sightline.key", data="/data/db", address="0.0.0.0")
        self.docker.with_command(options)
        # Past the official image's entry point, which would start another server first. The key is root's.
        self.keyword_arguments |= {"entrypoint": ["mongod"], "user": "root"}
        self.docker.with_copy_into_container(self._key.encode(), "/sightline.key", mode=0o400)
        self.launch()
        self._found()

    @property
    def url(self) -> str:
        return mongodb.url_of(address=self._address, password=self._password)

    def start(self) -> None:
        super().start()
        self._found()

    def database(self, name: str) -> str:
        fresh = f"{name}-{secrets.token_hex(4)}"
        return mongodb.url_of(address=self._address, password=self._password, database=fresh)

    def remove_database(self, url: str) -> None:
        mongodb.drop_database(url)

    def _found(self) -> None:
        mongodb.found_set(address=self._address, key=self._key, member="localhost:27017", password=self._password)

    def _serves(self) -> bool:
        return mongodb.greets(self._address)
