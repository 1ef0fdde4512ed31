"""What it costs that many queries wait: the doors beside a frozen worker, and the worker when it goes on."""

import asyncio
import json
import os
import signal
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import images, layouts, models, pipeline, stored, waiting
from benchmarks.connection import Connection, request_of
from benchmarks.installation import Installation
from benchmarks.loop import run
from benchmarks.plan import Say
from benchmarks.publisher import Questions, publishing
from benchmarks.servers import Servers

NUMBERS = (1, 10, 100, 1000, 10_000)
_AT_DOORS = 50
"""Questions that are asked over HTTP beside those that wait."""


def measure(servers: Servers, pack: Path, say: Say, numbers: Sequence[int] = NUMBERS) -> list[dict[str, Any]]:
    """Return a point for each number of waiting queries."""
    points = []
    with layouts.separate(servers) as opened:
        detector_id = layouts.prepared(opened, [models.SMALL])[models.SMALL]
        warm_up = pipeline.Task(detector_id=detector_id, pack=pack, count=64, stamp="backlog warm-up")
        pipeline.measure(opened, warm_up)
        for number in numbers:
            points.append(_point(opened, detector_id, pack, number))
            say(f"{number} waiting: {points[-1]}")
    return points


def _point(opened: Installation, detector_id: str, pack: Path, number: int) -> dict[str, Any]:
    (worker,) = (process.pid for process in opened.processes if process.service == "inference")
    stamp = f"backlog {number}"
    questions = Questions(to="platform", targets=[detector_id], pack=pack, count=number, stamp=stamp)
    had = pipeline.answered(opened)
    os.kill(worker, signal.SIGSTOP)
    try:
        with publishing(opened.bus, questions) as publisher:
            began = time.perf_counter()
            publisher.start()
            publisher.finish()
        waiting.until(lambda: stored.count(opened.store, "submitted"), number, began)
        submit_ms, lookup_ms = run(_at_doors(opened, detector_id, pack, stamp))
    finally:
        os.kill(worker, signal.SIGCONT)
    began = time.perf_counter()
    pipeline.drain(opened, had + number + _AT_DOORS)
    answers_per_s = (number + _AT_DOORS) / (time.perf_counter() - began)
    return {
        "waiting": number,
        "submit_ms": round(submit_ms, 2),
        "lookup_ms": round(lookup_ms, 2),
        "answers_per_s": round(answers_per_s, 1),
    }


async def _at_doors(opened: Installation, detector_id: str, pack: Path, stamp: str) -> tuple[float, float]:
    """Return the medians of a submission and of a lookup, in milliseconds, asked one after the other."""
    await asyncio.sleep(0.2)  # until what was just published is done with
    path = f"/v1/image-queries?detector={detector_id}"
    pictures, submits, lookups = images.load(pack), [], []
    async with Connection(opened.door("POST", path)) as door, Connection(opened.origin("gateway")) as reader:
        for number in range(_AT_DOORS):
            body = images.stamped(pictures[number % len(pictures)], f"{stamp} at the door {number}")
            began = time.perf_counter()
            reply = await door.ask(request_of("POST", opened.door("POST", path), path, body, _JPEG))
            submits.append(time.perf_counter() - began)
            look = request_of("GET", opened.origin("gateway"), f"/v1/queries/{json.loads(reply.body)['id']}")
            began = time.perf_counter()
            await reader.ask(look)
            lookups.append(time.perf_counter() - began)
    return statistics.median(submits) * 1000, statistics.median(lookups) * 1000


_JPEG = {"content-type": "image/jpeg"}
