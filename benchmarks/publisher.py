"""An edge device in a process of its own: it has the broker's address and publishes questions, nothing else.

It says `ready`, waits for a line, publishes as fast as the broker confirms, and says `done` and the seconds it took.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path

from benchmarks import images
from benchmarks.folders import ROOT
from benchmarks.loop import run
from contracts.ids import IMAGE_QUERY, new_id
from contracts.v1.image_query import Image, ImageQuerySubmitted
from services.kit.bus.codec import encode, event_of
from services.kit.bus.port import Message
from services.kit.runtime import open_bus
from services.kit.settings import load

_AT_ONCE = 32
"""Messages published in one call; the next call is made when they are confirmed."""
_CALLS = 2
"""Calls in flight: while one waits for its confirms, the next is made."""


class Publisher:
    """The process; `start` lets it begin."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._expect(b"ready")

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    def start(self) -> None:
        """Let it publish."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def finish(self) -> float:
        """Wait until everything is confirmed; return the seconds."""
        return float(self._expect(b"done"))

    def _expect(self, word: bytes) -> bytes:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith(word):
            raise RuntimeError("the publisher failed; it says why above")
        return said.removeprefix(word)


@contextmanager
def publishing(*, bus: str, detector_id: str, pack: Path, count: int, stamp: str) -> Iterator[Publisher]:
    """Run a publisher of `count` images; leaving ends it."""
    command = [sys.executable, "-m", "benchmarks.publisher", detector_id, str(pack), str(count), stamp]
    environment = {**os.environ, "SIGHTLINE_BUS": bus}  # it holds a password; arguments are for all to see
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        try:
            yield Publisher(process)
        finally:
            process.kill()


def _questions(pack: Path, detector_id: str, count: int, stamp: str) -> Iterator[Message]:
    pictures = images.load(pack)
    for number in range(count):
        data = images.stamped(pictures[number % len(pictures)], f"{stamp} {number}")
        now = datetime.now(UTC)
        query_id = new_id(IMAGE_QUERY, now)
        question = ImageQuerySubmitted(
            query_id=query_id,
            detector_id=detector_id,
            image=Image(sha256=sha256(data).hexdigest(), size_bytes=len(data), media_type="image/jpeg", data=data),
            submitted_at=now,
        )
        event_id = f"{query_id}.submitted"
        event = event_of(question, source="benchmark", tenant="default", at=now, subject=query_id, event_id=event_id)
        yield encode(event)


async def _publish(bus_url: str, questions: Iterator[Message]) -> None:
    async with open_bus(load({}, bus=bus_url)) as bus:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began = time.perf_counter()

        async def call() -> None:
            while messages := list(islice(questions, _AT_ONCE)):
                await bus.publish(messages)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_CALLS):
                tasks.create_task(call())
        print(f"done {time.perf_counter() - began:.6f}", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    """Be the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("detector_id")
    parser.add_argument("pack", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("stamp")
    given = parser.parse_args()
    run(_publish(os.environ["SIGHTLINE_BUS"], _questions(given.pack, given.detector_id, given.count, given.stamp)))


if __name__ == "__main__":
    main()
