"""Whoever publishes waits for room, in turn, and nobody's end costs another's place."""

import asyncio

import pytest

from services.kit.bus.rabbit.window import Window
from tests.support.until import until


class Visit:
    """One who enters and stays until told to leave."""

    def __init__(self, window: Window, size: int) -> None:
        self.inside = False
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._stay(window, size))

    async def _stay(self, window: Window, size: int) -> None:
        await window.enter(size)
        self.inside = True
        try:
            await self._leave.wait()
        finally:
            window.leave(size)
            self.inside = False

    async def end(self) -> None:
        self._leave.set()
        await self.task


async def visits(window: Window, *sizes: int) -> list[Visit]:
    begun = [Visit(window, size) for size in sizes]
    await asyncio.sleep(0)
    return begun


def inside(begun: list[Visit]) -> list[bool]:
    return [visit.inside for visit in begun]


async def test_so_many_messages_get_in_and_the_next_one_when_one_leaves() -> None:
    begun = await visits(Window(messages=2, size_bytes=100), 1, 1, 1, 1)
    assert inside(begun) == [True, True, False, False]
    await begun[0].end()
    await until(lambda: inside(begun) == [False, True, True, False])


async def test_so_many_bytes_get_in_and_small_ones_wait_behind_a_large_one() -> None:
    begun = await visits(Window(messages=10, size_bytes=100), 60, 60, 10)
    assert inside(begun) == [True, False, False]
    await begun[0].end()
    await until(lambda: inside(begun) == [False, True, True])


async def test_what_is_larger_than_all_gets_in_alone() -> None:
    begun = await visits(Window(messages=10, size_bytes=100), 1, 500, 1)
    assert inside(begun) == [True, False, False]
    await begun[0].end()
    await until(lambda: inside(begun) == [False, True, False])
    await begun[1].end()
    await until(lambda: inside(begun) == [False, False, True])


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    begun = await visits(Window(messages=10, size_bytes=100), 60, 60, 10)
    begun[1].task.cancel()
    await until(lambda: inside(begun) == [True, False, True])


async def test_who_is_cancelled_in_the_moment_of_getting_in_leaves_again() -> None:
    window = Window(messages=1, size_bytes=100)
    await window.enter(1)
    second, third = await visits(window, 1, 1)
    window.leave(1)
    second.task.cancel()  # it was let in, and does not know yet
    await until(lambda: third.inside)
    with pytest.raises(asyncio.CancelledError):
        await second.task


async def test_who_is_cancelled_while_the_place_gets_free_does_not_take_it_along() -> None:
    window = Window(messages=1, size_bytes=100)
    await window.enter(1)
    second, third = await visits(window, 1, 1)
    second.task.cancel()
    window.leave(1)  # before the second has noticed
    await until(lambda: third.inside)
