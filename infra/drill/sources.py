"""What the drill's searches look through: the data set of `examples/space`, put into a store."""

from examples.space.dataset import load
from infra.drill.services import DrillError
from services.kit.clock import SystemClock
from services.kit.errors import PlatformError
from services.kit.runtime import open_store
from services.kit.settings import Settings


async def fill(settings: Settings, tenant: str) -> None:
    """Put the sources into the store of an installation that is not running yet.

    Raises:
        DrillError: the store cannot be reached.
    """
    clock = SystemClock()
    try:
        async with open_store(settings, clock) as store:
            await load(store, tenant, clock.now())
    except PlatformError as error:
        raise DrillError(f"the store takes no sources for searches: {error}") from error
