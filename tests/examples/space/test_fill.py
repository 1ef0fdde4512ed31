"""The data set in an installation: a newcomer's first search finds something."""

from pathlib import Path

import pytest

from examples.space.dataset import load
from examples.space.fill import main
from tests.support.searching import searching


def test_filling_twice_is_filling_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["--data", str(tmp_path)]) == 0
        assert "30 sources are in the store" in capsys.readouterr().out


async def test_a_search_of_the_data_set_finds_conjunctions(tmp_path: Path) -> None:
    async with searching(tmp_path, filled=False) as house:
        await load(house.platform.store, "default", house.platform.clock.now())
        query = {
            "start": "2020-01-01T00:00:00",
            "end": "2020-01-04T23:59:59",
            "ground": [{"programs": ["themis-asi"]}],
            "space": [{"programs": ["swarm"]}],
            "max_distances": {"ground1-space1": 500},
        }
        assert await house.found(query)
