"""The stores that the conformance suite runs on, and a clock to run them by."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from services.kit.clock import Clock
from services.kit.store.documents import QueryDocument
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.store import MongoStore
from services.kit.store.port import Store, Swap
from services.kit.store.sqlite import SqliteStore
from tests.support.documents import NOW
from tests.support.servers import mongodb_server

Connect = Callable[[Clock], Store]
"""Makes another store, not entered yet, on what the one before it left behind."""


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, time: datetime = NOW) -> None:
        self._time = time

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self._time

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._time += timedelta(seconds=seconds)


async def put(store: Store, *documents: QueryDocument) -> None:
    """Store new documents."""
    assert await store.queries.swap([Swap(document, 0) for document in documents]) == frozenset()


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Connect]:
    yield lambda clock: SqliteStore(folder / "store.sqlite", clock=clock)


def _mongo(driver: DriverName) -> Callable[[Path], AbstractAsyncContextManager[Connect]]:
    @asynccontextmanager
    async def place(folder: Path) -> AsyncIterator[Connect]:
        server = mongodb_server()
        url = server.database("conformance")
        yield lambda clock: MongoStore(url, clock, driver=driver)
        server.remove_database(url)

    return place


_drivers: dict[str, tuple[DriverName, ...]] = {
    "motor": ("motor",),
    "pymongo": ("pymongo",),
    "both": ("motor", "pymongo"),
}
DRIVERS = _drivers[os.environ.get("SIGHTLINE_TEST_MONGODB_DRIVER", "motor")]
"""The drivers of MongoDB under test: the default one, unless the environment asks for the other or for both."""

PLACES: dict[str, Callable[[Path], AbstractAsyncContextManager[Connect]]] = {
    "sqlite": _sqlite,
    **{driver: _mongo(driver) for driver in DRIVERS},
}
"""One fresh, empty place per test for every adapter. An adapter that is not here has not been proven."""
