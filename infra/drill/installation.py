"""What is drilled: services of our own over servers of our own, over somebody's, or all in one process on SQLite."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from contracts.http.routes import owner_of
from infra.drill.broker import require_unused
from infra.drill.proxy import Proxy, proxying
from infra.drill.services import ALL_IN_ONE, HOUSE, DrillError, Service, Supervisor
from infra.drill.sources import fill
from infra.local import folders, processes
from services.kit.settings import load as load_settings

_MONGODB_PORT = 27017
_SWEEP = {"SIGHTLINE_SWEEP_AFTER_S": "15", "SIGHTLINE_SWEEP_INTERVAL_S": "2", "SIGHTLINE_SWEEP_TRIES": "20"}
"""Short, so that a drill of minutes sees a purged queue mended. Where no queue is purged the defaults stand: a platform
that starts more slowly than it sweeps asks what has just ended it again before it is known."""
_PARTS = {"SIGHTLINE_SEARCH_PART_DAYS": "1"}
"""Many parts, so that a search is met in the middle."""


class Server(Protocol):
    """A broker or a store of our own."""

    @property
    def runs(self) -> bool: ...
    def start(self) -> None: ...
    @property
    def pid(self) -> int: ...
    @property
    def url(self) -> str: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Broker(Server, Protocol):
    """A RabbitMQ of our own."""

    def ctl(self, *arguments: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A running installation, and what of it may be broken.

    `bus` is the broker's address past any proxy, "" when only the platform's own process reaches its bus.
    """

    supervisor: Supervisor
    tenant: str
    bus: str = ""
    broker: Broker | None = None
    store: Server | None = None
    proxies: tuple[Proxy, ...] = ()
    described: str = ""

    def door(self, method: str, path: str) -> str:
        """Return the address of a request, by the table of routes."""
        services = self.supervisor.services
        if len(services) == 1:
            return services[0].origin + path
        return self.supervisor[owner_of(method, path)].origin + path


@asynccontextmanager
async def embedded(folder: Path, *, tenant: str) -> AsyncIterator[Installation]:
    """Run the all-in-one process on SQLite files in `folder`."""
    services = _services(ALL_IN_ONE, folder, tenant, {})
    await fill(load_settings({}, data=services[0].folder), tenant)
    async with _supervised(services) as supervisor:
        yield Installation(supervisor=supervisor, tenant=tenant, described="all in one process on SQLite")


@asynccontextmanager
async def on_own_servers(folder: Path, *, tenant: str) -> AsyncIterator[Installation]:
    """Run the services over a RabbitMQ and a MongoDB of our own, each behind a proxy.

    Raises:
        ServerMissingError: one of them is not installed; the message says what to install.
        ServerFailedError: one of them did not start.
    """
    # Their drivers are in extras that the all-in-one process does without.
    from infra.local.mongodb import MongoDB
    from infra.local.rabbitmq import RabbitMQ

    async with AsyncExitStack() as stack:
        broker = stack.enter_context(closing(RabbitMQ(_folder(stack, "rabbitmq"))))
        store = stack.enter_context(closing(MongoDB(_folder(stack, "mongodb"))))
        broker.start()
        store.start()
        bus, documents = broker.vhost("drill"), store.database("drill")
        proxies = [await stack.enter_async_context(proxying(url, _MONGODB_PORT)) for url in (bus, documents)]
        addresses = {"SIGHTLINE_BUS": proxies[0].url(bus), "SIGHTLINE_STORE": proxies[1].url(documents), **_SWEEP}
        services = _services(HOUSE, folder, tenant, addresses)
        await fill(load_settings({}, store=documents), tenant)
        supervisor = await stack.enter_async_context(_supervised(services))
        yield Installation(
            supervisor=supervisor,
            tenant=tenant,
            bus=bus,
            broker=broker,
            store=store,
            proxies=tuple(proxies),
            described=f"seven processes on RabbitMQ {broker.version} and MongoDB",
        )


@asynccontextmanager
async def on_given_servers(folder: Path, *, tenant: str, bus: str, store: str) -> AsyncIterator[Installation]:
    """Run the services over a broker and a store that were made for the drill; those are not killed.

    The broker is behind a proxy unless the connection is encrypted: its certificate is for another name.

    Raises:
        DrillError: somebody works at that broker, or the address names several.
    """
    if "," in urlsplit(bus).netloc:
        raise DrillError("the bus: the drill goes by one node of a cluster; name one host in its address")
    await require_unused(bus)
    await fill(load_settings({}, store=store), tenant)
    async with AsyncExitStack() as stack:
        proxies: tuple[Proxy, ...] = ()
        if urlsplit(bus).scheme == "amqp":
            proxies = (await stack.enter_async_context(proxying(bus)),)
        addresses = {"SIGHTLINE_BUS": proxies[0].url(bus) if proxies else bus, "SIGHTLINE_STORE": store, **_SWEEP}
        supervisor = await stack.enter_async_context(_supervised(_services(HOUSE, folder, tenant, addresses)))
        described = "seven processes on the servers given"
        yield Installation(supervisor=supervisor, tenant=tenant, bus=bus, proxies=proxies, described=described)


def _services(names: tuple[str, ...], folder: Path, tenant: str, addresses: dict[str, str]) -> list[Service]:
    settings = {"SIGHTLINE_ANONYMOUS_TENANT": tenant, "SIGHTLINE_TOKEN_PEPPER": "of a drill"}
    settings |= _PARTS | addresses
    made = []
    for name, port in zip(names, processes.free_ports(len(names)), strict=True):
        own = folder / name
        own.mkdir(parents=True)
        made.append(Service(name, port, own, settings))
    return made


@asynccontextmanager
async def _supervised(services: list[Service]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(services)
    try:
        supervisor.start()
        await supervisor.ready()
        yield supervisor
    finally:
        await supervisor.close()


def _folder(stack: AsyncExitStack, kind: str) -> Path:
    folder = folders.make_folder(kind)
    stack.callback(folders.remove, folder)
    return folder
