"""HTTP load from a process of its own: some connections, each asking again as soon as it has its answer."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, cycle, islice
from pathlib import Path

from benchmarks import images
from benchmarks.connection import Connection, request_of
from benchmarks.loop import run

CONNECTIONS = 16
_WARM_UP = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Submits:
    """Submit images of a pack, no two alike; `keyed` sends an idempotency key with each. At most `most` of them."""

    origin: str
    path: str
    pack: Path
    stamp: str
    keyed: bool = False
    most: int | None = None

    def requests(self) -> Iterator[bytes]:
        """Yield the requests."""
        pictures = images.load(self.pack)
        for number in islice(count(), self.most):
            headers = {"content-type": "image/jpeg"}
            if self.keyed:
                headers["idempotency-key"] = f"{self.stamp}-{number}"
            body = images.stamped(pictures[number % len(pictures)], f"{self.stamp} {number}")
            yield request_of("POST", self.origin, self.path, body, headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """Get paths, round and round."""

    origin: str
    paths: Sequence[str]

    def requests(self) -> Iterator[bytes]:
        """Yield the requests."""
        yield from cycle([request_of("GET", self.origin, path) for path in self.paths])


Load = Submits | Lookups


@dataclass(frozen=True, slots=True)
class LoadRate:
    """How many requests were answered in which time; `sent` counts those before it too. `bodies` are the first few."""

    answered: int
    sent: int
    seconds: float
    bodies: tuple[bytes, ...]

    @property
    def per_s(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


def drive(load: Load, *, seconds: float, connections: int = CONNECTIONS) -> LoadRate:
    """Send `load` for `seconds`, or until it ends. Blocks.

    Raises:
        RuntimeError: an answer was no success.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as process:
        return process.submit(_drive, load, seconds, connections).result()


def _drive(load: Load, seconds: float, connections: int) -> LoadRate:
    return run(_send(load, seconds, connections))


async def _send(load: Load, seconds: float, connections: int) -> LoadRate:
    requests = load.requests()
    bodies: list[bytes] = []
    answered = 0
    deadline = float("inf")

    async def one(limit: int | None) -> None:
        nonlocal answered
        async with Connection(load.origin) as connection:
            for request in islice(requests, limit):
                status, body = await connection.ask(request)
                if not 200 <= status < 300:
                    raise RuntimeError(f"{load.origin} answered {status}: {body[:200].decode(errors='replace')}")
                answered += 1
                if len(bodies) < _WARM_UP:
                    bodies.append(body)
                if time.perf_counter() > deadline:
                    return

    if not isinstance(load, Submits) or load.most is None:
        await one(_WARM_UP)
    warmed, began = answered, time.perf_counter()
    deadline = began + seconds
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one(None))
    return LoadRate(answered - warmed, answered, time.perf_counter() - began, tuple(bodies))
