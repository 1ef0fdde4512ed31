"""The only runtime: open the ports, start services, serve HTTP, drain on SIGTERM.

One service or five is only the length of the list, so the all-in-one process cannot drift from production.
"""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from services.kit.auth import Authenticator, pepper_of
from services.kit.bus.memory import MemoryBus
from services.kit.bus.port import Bus
from services.kit.bus.sqlite import SqliteBus
from services.kit.catalog import Catalog
from services.kit.clock import Clock, SystemClock
from services.kit.errors import ConfigError
from services.kit.health import Health
from services.kit.http import create_app
from services.kit.memory import spare_memory
from services.kit.metrics import Metrics
from services.kit.platform import Platform, Service
from services.kit.settings import Settings
from services.kit.store.port import Store
from services.kit.store.sqlite import SqliteStore
from services.kit.waiter import Waiter

log = structlog.get_logger(__name__)

Factory = Callable[[Platform], Service]
_HTTP_DRAIN_S = 5
_EXTRA = "install the extra in Sightline's checkout: pip install -e '.[{}]'"


def open_bus(settings: Settings) -> Bus:
    """Return the bus that the address names, not yet entered."""
    scheme = settings.bus_url.split(":", 1)[0]
    if scheme == "memory":
        return MemoryBus()
    if scheme in {"amqp", "amqps"}:
        return _rabbit_bus(settings)
    return SqliteBus(sqlite_path(settings.bus_url))


def _rabbit_bus(settings: Settings) -> Bus:
    try:
        from services.kit.bus.rabbit.bus import RabbitBus
    except ImportError as error:
        raise ConfigError(f"a bus on RabbitMQ: {_EXTRA.format('rabbitmq')}") from error
    return RabbitBus(
        settings.bus_url,
        ca_file=settings.bus_ca_file,
        lanes=settings.lanes,
        queue_limit_bytes=settings.queue_limit_bytes,
    )


def open_store(settings: Settings, clock: Clock) -> Store:
    """Return the store that the address names, not yet entered."""
    if settings.store_url.startswith("mongodb"):
        return _mongo_store(settings, clock)
    return SqliteStore(sqlite_path(settings.store_url), clock)


def _mongo_store(settings: Settings, clock: Clock) -> Store:
    try:
        from services.kit.store.mongo.store import MongoStore
    except ImportError as error:
        raise ConfigError(f"a store on MongoDB: {_EXTRA.format('mongodb')}") from error
    return MongoStore(settings.store_url, clock, driver=settings.mongodb_driver, ca_file=settings.store_ca_file)


@asynccontextmanager
async def running(
    settings: Settings, factories: Sequence[Factory], clock: Clock | None = None
) -> AsyncIterator[FastAPI]:
    """Run services without a socket: open, start them in the given order (downstream first), yield the app, drain."""
    async with AsyncExitStack() as stack:
        if settings.crash_at is not None:
            log.warning("runtime.will_crash", at=settings.crash_at)
        clock = clock or SystemClock()
        metrics, health = Metrics(), Health()
        authenticator_pepper = pepper_of(settings)
        store = await stack.enter_async_context(open_store(settings, clock))
        bus = await stack.enter_async_context(open_bus(settings))
        health.add("bus", bus.check)
        health.add("store", store.check)
        waiter = Waiter(bus, store, metrics, max_waiters=settings.max_waiters)
        catalog = Catalog(bus, store, metrics)
        await catalog.start(stack)
        health.add("changes", catalog.check)
        platform = Platform(
            settings=settings,
            bus=bus,
            store=store,
            clock=clock,
            metrics=metrics,
            health=health,
            waiter=waiter,
            catalog=catalog,
        )
        services = [factory(platform) for factory in factories]
        if any(service.routers for service in services):  # behind the others nobody can wait
            await waiter.start(stack)
            health.add("wake-ups", waiter.check)
        for service in services:
            await service.start(stack)
            log.info("service.started", service=service.name)
        authenticator = Authenticator(store, authenticator_pepper, settings.admitted_tenant)
        yield create_app(platform, services, authenticator, version=version("sightline"))


async def run(settings: Settings, factories: Sequence[Factory], on_ready: Callable[[str], None]) -> None:
    """Run services and serve them over HTTP until SIGTERM or SIGINT, then drain and return.

    `on_ready` is called with the origin, e.g. `http://127.0.0.1:8470`, once requests are answered.

    Raises:
        ConfigError: settings that cannot work, an address in use.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with listen(settings) as listener:
        async with running(settings, factories) as app:
            server = _Server(_uvicorn_config(app))
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
            try:
                await _started(server, serving)
                on_ready(origin_of(listener))
                _spare_collector()
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
            finally:
                log.info("runtime.draining")
                app.state.platform.waiter.release()
                server.should_exit = True
                await serving
    log.info("runtime.stopped")


def run_process(settings: Settings, factories: Sequence[Factory], on_ready: Callable[[str], None]) -> None:
    """Be the process: `run` in a fresh event loop, the fast one where there is one."""
    _allow_files()
    spare_memory()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run(settings, factories, on_ready))


def _spare_collector() -> None:
    """Leave what was made at the start alone, and look for cycles less often: a tenth of a busy service's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def origin_of(listener: socket.socket) -> str:
    """Return the origin of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_files() -> None:
    """Open as many files as the system lets us: each reader who waits holds one, and 1,024 are usual until one asks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # some systems name a limit that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not made for every platform; the standard loop does the same, slower
        return None
    return uvloop.new_event_loop


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the runtime decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_HTTP_DRAIN_S,
    )


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket.

    Raises:
        ConfigError: the address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on what it accepts; without it, small answers wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        where = f"{settings.host} port {settings.port}"
        raise ConfigError(f"cannot listen on {where}: {error.strerror}; choose another --host or --port") from error
    return listener


async def _started(server: _Server, serving: asyncio.Task[None]) -> None:
    while not server.started:
        if serving.done():
            await serving
            raise ConfigError("the HTTP server did not start; the log says why")
        await asyncio.sleep(0.01)


def sqlite_path(url: str) -> Path:
    """Return the path of `sqlite:///relative` or `sqlite:////absolute`."""
    path = url.removeprefix("sqlite:///")
    if not path or path == url:
        raise ConfigError("a sqlite address looks like sqlite:///folder/file.sqlite")
    return Path(path)
