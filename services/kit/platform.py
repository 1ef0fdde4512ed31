"""What every service is given: the ports, the settings, and places to report to."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from fastapi import APIRouter

from services.kit.bus.port import Bus
from services.kit.catalog import Catalog
from services.kit.clock import Clock
from services.kit.health import Health
from services.kit.metrics import Metrics
from services.kit.settings import Settings
from services.kit.store.port import Store
from services.kit.waiter import Waiter


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The ports and shared components of one process; made by `services.kit.runtime.run`."""

    settings: Settings
    bus: Bus
    store: Store
    clock: Clock
    metrics: Metrics
    health: Health
    waiter: Waiter
    catalog: Catalog


class Service(Protocol):
    """One of the services. `services.<name>.service.create(platform)` makes it."""

    @property
    def name(self) -> str:
        """The service's name, as in `sightline serve NAME`."""
        ...

    @property
    def routers(self) -> tuple[APIRouter, ...]:
        """Its HTTP routes; empty when it has none."""
        ...

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin to work; push on `stack` what ends it. Leaving the stack drains within `settings.drain_s`."""
        ...
