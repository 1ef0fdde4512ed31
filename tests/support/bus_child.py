"""A process that works on a SQLite bus until it is killed.

python -m tests.support.bus_child publish PATH    publishes for ever; prints each number once it is accepted
python -m tests.support.bus_child receive PATH    receives one message, prints its attempt, never settles it
"""

import asyncio
import itertools
import sys
from pathlib import Path

from contracts.topics import MODEL_CHECKS
from services.kit.bus.port import Bus
from services.kit.bus.sqlite import SqliteBus
from tests.support.messages import SUBMITTED, message

_PUBLISHERS = 8


async def _publish(bus: Bus, numbers: "itertools.count[int]") -> None:
    while True:
        number = next(numbers)
        await bus.publish([message(SUBMITTED, str(number).encode())])
        print(number, flush=True)  # noqa: T201 - what the parent reads


async def _receive(bus: Bus) -> None:
    (delivery,) = await (await bus.subscribe(MODEL_CHECKS)).receive(1)
    print(delivery.attempt, flush=True)  # noqa: T201 - what the parent reads
    await asyncio.Event().wait()


async def _main(task: str, path: Path) -> None:
    async with SqliteBus(path) as bus:
        if task == "receive":
            await _receive(bus)
        numbers = itertools.count()
        await asyncio.gather(*(_publish(bus, numbers) for _ in range(_PUBLISHERS)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2])))
