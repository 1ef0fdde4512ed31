from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.inference import Workshop, workshop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    async with workshop(tmp_path) as shop:
        yield shop
