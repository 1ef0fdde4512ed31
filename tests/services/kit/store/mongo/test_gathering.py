"""Gathering: single calls done together, each with its own outcome, and none kept waiting by a server that hangs."""

import asyncio
from collections.abc import Sequence

import pytest

from services.kit.errors import Unavailable
from services.kit.store.mongo.gathering import Gathering
from tests.support.until import until


class Server:
    """Squares numbers, many per command; commands end when they are let go. A command with a -1 fails."""

    def __init__(self) -> None:
        self.commands: list[list[int]] = []
        self.go = asyncio.Event()

    async def square(self, numbers: Sequence[int]) -> list[int]:
        self.commands.append(list(numbers))
        await self.go.wait()
        if -1 in numbers:
            raise Unavailable("a number is negative")
        return [number * number for number in numbers]


async def test_who_comes_together_or_while_others_are_under_way_shares_a_command() -> None:
    server = Server()
    server.go.set()
    gathering = Gathering(server.square, most=100)
    assert await asyncio.gather(*(gathering.do(number) for number in range(50))) == [n * n for n in range(50)]
    assert server.commands == [list(range(50))]

    async def ask(first: int) -> list[int]:
        return [await gathering.do(first + step) for step in range(20)]

    server.commands.clear()
    answers = await asyncio.gather(*(ask(first) for first in range(0, 320, 20)))
    assert [square for each in answers for square in each] == [n * n for n in range(320)]
    assert len(server.commands) < 100


async def test_a_command_takes_no_more_than_it_may() -> None:
    server = Server()
    server.go.set()
    gathering = Gathering(server.square, most=8)
    await asyncio.gather(*(gathering.do(number) for number in range(20)))
    assert sorted(number for command in server.commands for number in command) == list(range(20))
    assert max(map(len, server.commands)) == 8


async def test_a_command_that_fails_is_the_failure_of_those_in_it_alone() -> None:
    server = Server()
    gathering = Gathering(server.square, most=2)
    calls = asyncio.gather(*(gathering.do(number) for number in (1, 2, -1, 3, 4, 5)), return_exceptions=True)
    server.go.set()
    first, second, third, fourth, *rest = await calls
    assert (first, second, *rest) == (1, 4, 16, 25)
    assert isinstance(third, Unavailable)
    assert isinstance(fourth, Unavailable)


async def test_a_caller_that_goes_takes_nobody_along() -> None:
    server = Server()
    gathering = Gathering(server.square, most=100)
    staying, going = (asyncio.create_task(gathering.do(number)) for number in (2, 3))
    await until(lambda: bool(server.commands))
    going.cancel()
    server.go.set()
    assert await staying == 4
    with pytest.raises(asyncio.CancelledError):
        await going
    assert await gathering.do(5) == 25


async def test_commands_that_hang_keep_nobody_waiting() -> None:
    server = Server()
    gathering = Gathering(server.square, most=100)
    calls = []
    for number in range(4):
        calls.append(asyncio.create_task(gathering.do(number)))
        await until(lambda number=number: [number] in server.commands)  # type: ignore[misc]
    server.go.set()
    assert await asyncio.gather(*calls) == [0, 1, 4, 9]
