"""A thousand images of many sizes: the memory of every service stays where it was."""

import asyncio
import io
import struct
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from infra.drill.doors import Doors
from infra.drill.soak import MOST_GROWTH, memory_of
from infra.drill.task import LABELS
from tests.support.under_load import installed

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]

_SIZES = ((1, 1), (16, 16), (64, 48), (333, 777), (640, 480), (1280, 720), (1920, 1080), (4000, 3000))
_AT_ONCE = 8
_FEW, _MANY = 300, 1000


async def test_memory_stays_where_it_was(amqp_url: str, mongodb_url: str, tmp_path: Path) -> None:
    async with (
        installed(tmp_path, bus=amqp_url, store=mongodb_url) as installation,
        Doors(installation) as doors,
    ):
        await doors.prepare()
        await _ask(doors, range(_FEW))
        few = memory_of(installation.supervisor)
        await _ask(doors, range(_FEW, _MANY))
        many = memory_of(installation.supervisor)
    growth = {name: many[name] / few[name] for name in few}
    assert max(growth.values()) <= MOST_GROWTH, growth


async def _ask(doors: Doors, numbers: range) -> None:
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask(number: int) -> None:
        async with room:
            asked = (await doors.ask(number, _image(number), timeout_s=30)).query
            assert asked is not None
            found = (await doors.look_up(asked.id, wait_s=30)).query
            assert found is not None
            assert (found.state, found.label) == ("answered", LABELS[number % len(LABELS)])

    await asyncio.gather(*(ask(number) for number in numbers))


def _image(number: int) -> bytes:
    """The picture of a size and a level, told apart from all others by a comment in it."""
    picture = _picture(_SIZES[number * 7 // 3 % len(_SIZES)], number % len(LABELS))
    comment = struct.pack(">HHI", 0xFFFE, 6, number)
    return picture[:2] + comment + picture[2:]


@cache
def _picture(size: tuple[int, int], level: int) -> bytes:
    grey = int(255 * (level + 0.5) / len(LABELS))
    encoded = io.BytesIO()
    Image.new("L", size, grey).save(encoded, "JPEG")
    return encoded.getvalue()
