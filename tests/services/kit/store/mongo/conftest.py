from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.store import MongoStore
from tests.support.stores import DRIVERS

Rows = Database[dict[str, Any]]


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> DriverName:
    found: DriverName = request.param
    return found


@pytest.fixture
async def mongo(mongodb_url: str, driver: DriverName) -> AsyncIterator[MongoStore]:
    """A store with the system's clock on a database of this test's own."""
    async with MongoStore(mongodb_url, driver=driver) as store:
        yield store


@pytest.fixture
def rows(mongodb_url: str) -> Iterator[Rows]:
    """The same database, looked at from outside."""
    with MongoClient[dict[str, Any]](mongodb_url) as client:
        yield client.get_default_database()
