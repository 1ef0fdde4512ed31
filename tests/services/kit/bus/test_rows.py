"""What the rows under the embedded buses promise and the port cannot show: a tag fits one hand-out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.kit.bus.port import Depth
from services.kit.bus.rows import Back, MemoryRows, Post, Rows, Tag
from services.kit.bus.sqlite import SqliteRows
from services.kit.clock import SystemClock
from tests.support.messages import message

_QUEUE = "work"
Change = Callable[[Rows, Tag], Awaitable[None]]
_CHANGES: dict[str, Change] = {
    "delete": lambda rows, tag: rows.delete([tag]),
    "release": lambda rows, tag: rows.release({tag: Back.LEFT}),
    "take back": lambda rows, tag: rows.release({tag: Back.UNSEEN}),
    "delay": lambda rows, tag: rows.delay(tag, 0.0),
    "move": lambda rows, tag: rows.move(tag, "elsewhere", {}),
    "park": lambda rows, tag: rows.park(tag, "odd"),
}


@pytest.fixture(params=["memory", "sqlite"])
async def rows(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rows]:
    rows: Rows = MemoryRows() if request.param == "memory" else SqliteRows(tmp_path / "rows", clock=SystemClock())
    await rows.open()
    await rows.put([Post(message(), (_QUEUE,))])
    yield rows
    await rows.close()


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES.keys())
async def test_an_old_tag_does_nothing_to_a_row_that_was_handed_out_again(rows: Rows, change: Change) -> None:
    old = (await rows.take(_QUEUE, 1)).rows[0].tag
    await rows.release({old: Back.LEFT})
    new = (await rows.take(_QUEUE, 1)).rows[0].tag
    assert new == Tag(old.row_id, old.attempt + 1)

    await change(rows, old)

    assert await rows.count(_QUEUE) == Depth(ready=0, unsettled=1, parked=0)
    assert await rows.count("elsewhere") == Depth(ready=0, unsettled=0, parked=0)


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES.keys())
@pytest.mark.parametrize("first", ["release", "park"])
async def test_a_tag_does_nothing_to_a_row_that_is_not_held(rows: Rows, change: Change, first: str) -> None:
    tag = (await rows.take(_QUEUE, 1)).rows[0].tag
    await _CHANGES[first](rows, tag)
    before = await rows.count(_QUEUE)

    await change(rows, tag)

    assert await rows.count(_QUEUE) == before
    assert await rows.count("elsewhere") == Depth(ready=0, unsettled=0, parked=0)


async def test_a_take_that_finds_nothing_says_when_to_look_again(rows: Rows) -> None:
    (held,) = (await rows.take(_QUEUE, 1)).rows
    assert (await rows.take(_QUEUE, 1)).due_in_s is None

    await rows.delay(held.tag, 100.0)

    due_in_s = (await rows.take(_QUEUE, 1)).due_in_s
    assert due_in_s is not None
    assert 0.0 < due_in_s <= 100.0
