from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.gateway.service import create as create_gateway
from services.kit.runtime import running
from services.kit.settings import load
from services.result_store.service import create as create_result_store
from tests.support.gateways import Door, client_of


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A gateway and the service that folds its facts, on the embedded adapters."""
    settings = load({}, data=tmp_path, bus="memory://")
    async with running(settings, [create_result_store, create_gateway]) as app, client_of(app) as http:
        yield Door(app, http)
