"""An edge device in a process of its own: it has the broker's address and publishes questions, nothing else.

It says `ready`, waits for a line, publishes as fast as the broker confirms, and says `done` and the seconds it took.
The platform and the peer get theirs from the same program: persistent, mandatory, each confirmed.
"""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiormq
from aiormq.abc import AbstractChannel

from benchmarks import images
from benchmarks.folders import ROOT
from benchmarks.letters import MAKERS, Letter
from benchmarks.loop import run

_IN_FLIGHT = 64
"""Messages that wait for their confirmation at once."""
_BUS = "BENCHMARK_BUS"
_PERSISTENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """`count` questions about images of `pack`, `stamp` making each unlike any before.

    `to` is a key of `letters.MAKERS`, `targets` what it takes, asked in turn.
    """

    to: str
    targets: Sequence[str]
    pack: Path
    count: int
    stamp: str

    def letters(self) -> Iterator[Letter]:
        """Yield them."""
        pictures, make = images.load(self.pack), MAKERS[self.to]
        for number, target in zip(range(self.count), itertools.cycle(self.targets), strict=False):
            yield make(target, images.stamped(pictures[number % len(pictures)], f"{self.stamp} {number}"))


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
def publishing(bus: str, questions: Questions) -> Iterator[Publisher]:
    """Run a publisher; leaving ends it."""
    given = (questions.to, ",".join(questions.targets), str(questions.pack), str(questions.count), questions.stamp)
    environment = {**os.environ, _BUS: bus}  # it holds a password; arguments are for all to see
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.publisher", *given],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            yield Publisher(process)
        finally:
            process.kill()


async def _publish(bus: str, questions: Questions) -> None:
    user = unquote(urlsplit(bus).username or "")
    letters = questions.letters()
    connection = await aiormq.connect(bus)
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.perf_counter()

    async def send() -> None:
        for letter in letters:
            await _confirmed(channel, letter, user)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_IN_FLIGHT):
            tasks.create_task(send())
    print(f"done {time.perf_counter() - began:.6f}", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await connection.close()


async def _confirmed(channel: AbstractChannel, letter: Letter, user: str) -> None:
    properties = aiormq.spec.Basic.Properties(
        content_type=letter.content_type,
        headers=dict(letter.headers),
        delivery_mode=_PERSISTENT,
        message_id=uuid.uuid4().hex,  # the driver pairs confirmations by it
        user_id=user,
    )
    await channel.basic_publish(
        letter.body,
        exchange=letter.exchange,
        routing_key=letter.routing_key,
        properties=properties,
        mandatory=True,
    )


def main() -> None:
    """Be the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("to", choices=MAKERS)
    parser.add_argument("targets", type=lambda text: text.split(","))
    parser.add_argument("pack", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("stamp")
    run(_publish(os.environ[_BUS], Questions(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
