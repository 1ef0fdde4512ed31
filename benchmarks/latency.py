"""Delays at low load: one question at a time, asked and waited for over HTTP. `python -m benchmarks.latency`."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import images
from benchmarks.connection import Connection, Reply, request_of
from benchmarks.figures import Delays, delays_of
from benchmarks.installation import Installation
from benchmarks.loop import run
from benchmarks.plan import Plan, Say
from contracts.topics import WAKE_UPS
from contracts.v1.results import ResultsStored
from services.kit.bus.codec import decode
from services.kit.runtime import open_bus
from services.kit.settings import load

_PAUSE_S = 0.01
_WARM_UP = 5
_LAST_S = 0.5


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays of single questions; `woken` is None where nobody outside can hear when an answer was stored.

    `accepted`: until the submitter answered. `answered`: until a reader that waits has the stored answer.
    `woken`: from the end of the write (as the result store says it) until that reader has it.
    """

    accepted: Delays
    answered: Delays
    woken: Delays | None


def measure(installation: Installation, *, detector_id: str, pack: Path, count: int, stamp: str) -> Latency:
    """Ask `count` questions, one after the other, with a short pause between them."""
    return run(_measure(installation, detector_id, pack, count, stamp))


def measure_models(
    installation: Installation, detectors: Mapping[str, str], plan: Plan, *, pack: Path, name: str, say: Say
) -> dict[str, Any]:
    """Measure the detectors of the models; return the figures."""
    found = {}
    for model, detector_id in detectors.items():
        stamp = f"{name} {model} single"
        delays = measure(installation, detector_id=detector_id, pack=pack, count=plan.singles, stamp=stamp)
        say(f"{name}: {model}, one at a time {delays.answered.median_ms:.1f} ms")
        found[model] = asdict(delays)
    return {"latency": found}


async def _measure(installation: Installation, detector_id: str, pack: Path, count: int, stamp: str) -> Latency:
    path = f"/v1/image-queries?detector={detector_id}"
    accepted: list[float] = []
    answered: list[float] = []
    ended_at: dict[str, float] = {}
    pictures = images.load(pack)
    async with (
        _listening(installation) as stored_at,
        Connection(installation.door("POST", path)) as door,
        Connection(installation.origin("gateway")) as reader,
    ):
        for number in range(count + _WARM_UP):
            body = images.stamped(pictures[number % len(pictures)], f"{stamp} {number}")
            request = request_of("POST", installation.origin("submitter"), path, body, {"content-type": "image/jpeg"})
            began = time.perf_counter()
            query_id = json.loads(_body(await door.ask(request)))["id"]
            accepted.append(time.perf_counter() - began)
            look = request_of("GET", installation.origin("gateway"), f"/v1/queries/{query_id}?wait=30")
            answer = json.loads(_body(await reader.ask(look)))
            answered.append(time.perf_counter() - began)
            ended_at[query_id] = time.time()
            if answer["state"] != "answered":
                raise RuntimeError(f"the query {query_id} is {answer['state']}")
            await asyncio.sleep(_PAUSE_S)
        woken = await _woken(stored_at, ended_at)
    return Latency(
        delays_of(accepted[_WARM_UP:]),
        delays_of(answered[_WARM_UP:]),
        delays_of(woken[_WARM_UP:]) if len(woken) > _WARM_UP else None,
    )


@asynccontextmanager
async def _listening(installation: Installation) -> AsyncIterator[dict[str, float]]:
    """Yield the times at which answers were stored, by query, as the result store's wake-ups tell them."""
    stored_at: dict[str, float] = {}
    if not installation.bus:
        yield stored_at
        return
    async with open_bus(load({}, bus=installation.bus)) as bus:
        subscription = await bus.subscribe(WAKE_UPS, prefetch=64)

        async def listen() -> None:
            while deliveries := await subscription.receive(64):
                for delivery in deliveries:
                    event = decode(delivery.message)
                    if isinstance(event.payload, ResultsStored):
                        for result in event.payload.results:
                            if result.has_answer:
                                stored_at.setdefault(result.query_id, event.time.timestamp())
                await subscription.ack(deliveries)

        listening = asyncio.create_task(listen())
        try:
            yield stored_at
        finally:
            await subscription.close()
            await listening


async def _woken(stored_at: Mapping[str, float], ended_at: Mapping[str, float]) -> list[float]:
    """Return the delays of those whose wake-up was heard."""
    if stored_at:
        await asyncio.sleep(_LAST_S)  # the last wake-up may still be on its way to us
    return [max(0.0, ended - stored_at[query_id]) for query_id, ended in ended_at.items() if query_id in stored_at]


def _body(reply: Reply) -> bytes:
    if not 200 <= reply.status < 300:
        raise RuntimeError(f"HTTP {reply.status}: {reply.body[:200].decode(errors='replace')}")
    return reply.body


if __name__ == "__main__":
    from benchmarks.command import run_part

    run_part("latency")
