"""What a configuration reaches, for a look before the first start."""

from collections.abc import Awaitable, Callable, Mapping

from services.kit.clock import SystemClock
from services.kit.places import look_at
from services.kit.runtime import open_bus, open_store, sqlite_path
from services.kit.settings import Settings
from services.kit.store.sqlite_schema import verify_format


async def reach_bus(settings: Settings) -> str:
    """Say how the bus is found. An embedded one is only looked at; a server's is entered as a service does.

    Raises:
        ConfigError, Unavailable: it cannot be used.
    """
    if settings.bus_url.startswith("sqlite:"):
        return look_at(sqlite_path(settings.bus_url))
    async with open_bus(settings) as bus:
        await bus.check()
    return "reached"


async def reach_store(settings: Settings) -> str:
    """Say how the store is found; as `reach_bus`."""
    if settings.store_url.startswith("sqlite:"):
        path = sqlite_path(settings.store_url)
        found = look_at(path)
        verify_format(path)
        return found
    async with open_store(settings, SystemClock()) as store:
        await store.check()
    return "reached"


PARTS: Mapping[str, tuple[Callable[[Settings], str], Callable[[Settings], Awaitable[str]]]] = {
    "bus": (lambda settings: settings.bus_url, reach_bus),
    "store": (lambda settings: settings.store_url, reach_store),
}
"""The parts by name: address, and how to reach it."""
