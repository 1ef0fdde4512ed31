"""One thing at a time; what is short may overtake, but not for ever."""

import asyncio
import threading
from contextlib import AsyncExitStack

import pytest

from services.search.processor import Processor


async def test_what_is_short_comes_first_and_nothing_is_overtaken_for_ever() -> None:
    order: list[str] = []
    gate = threading.Event()
    async with AsyncExitStack() as stack:
        processor = Processor(stack)

        def task(name: str) -> asyncio.Task[None]:
            return asyncio.create_task(processor.of(short=name.startswith("short"))(lambda: order.append(name)))

        held = asyncio.create_task(processor.of(short=False)(gate.wait))
        await asyncio.sleep(0)  # it has the thread
        tasks = [task(name) for name in ("long 1", "long 2", *(f"short {n}" for n in range(7)))]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(held, *tasks)
    assert order[:3] == ["short 0", "short 1", "long 1"]
    assert order.index("long 2") < order.index("short 6")


async def test_a_caller_that_is_cancelled_leaves_the_processor_to_the_others() -> None:
    gate = threading.Event()
    async with AsyncExitStack() as stack:
        compute = Processor(stack).of(short=False)
        running, waiting = asyncio.create_task(compute(gate.wait)), asyncio.create_task(compute(lambda: None))
        await asyncio.sleep(0)
        for each in (running, waiting):
            each.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        last = asyncio.create_task(compute(lambda: 7))
        gate.set()
        assert await last == 7


async def test_what_is_raised_comes_to_the_caller_and_the_next_is_computed() -> None:
    def fail() -> None:
        raise ValueError("no")

    async with AsyncExitStack() as stack:
        compute = Processor(stack).of(short=True)
        with pytest.raises(ValueError, match="no"):
            await compute(fail)
        assert await compute(lambda: 1) == 1
