"""The services as processes of their own on one bus and one store, as in production."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from contracts.http.routes import owner_of
from tests.support.server import ROOT, clean_environment, wait_until_ready

SERVICES = ("result_store", "inference", "inference", "submitter", "gateway")
"""Downstream first, with two workers."""


@dataclass(slots=True)
class Process:
    """One running service."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """End it as SIGTERM does; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@dataclass(slots=True)
class House:
    """The running services; `request` finds the right door by the table of routes, as an edge proxy does."""

    start: Callable[[str, int, Mapping[str, str]], Process]
    processes: list[Process] = field(default_factory=list)

    def process(self, name: str) -> Process:
        """Return the first service of that name."""
        return next(process for process in self.processes if process.name == name)

    def restart(self, name: str, settings: Mapping[str, str] | None = None) -> Process:
        """Start the first service of that name again, with these settings more; if it runs, end it in good order."""
        old = self.process(name)
        if old.process.poll() is None:
            assert old.stop() == 0
        number = self.processes.index(old)
        self.processes[number] = self.start(name, number, settings or {})
        return self.processes[number]

    def url(self, name: str) -> str:
        """Return the origin of the first service of that name."""
        return self.process(name).url

    def door(self, method: str, path: str) -> str:
        """Return the origin that the table of routes gives to a request."""
        return self.url(owner_of(method, path))

    def request(self, client: httpx2.Client, method: str, path: str, **given: Any) -> httpx2.Response:
        """Send a request to the service that owns it."""
        return client.request(method, self.door(method, path) + path, **given)


@contextmanager
def house(
    folder: Path,
    *,
    bus: str | dict[str, str],
    store: str | dict[str, str],
    services: Sequence[str] = SERVICES,
    settings: Mapping[str, str] | None = None,
) -> Iterator[House]:
    """Run `services` on `bus` and `store`; addresses may differ by service, each with a user of its own.

    `settings` are variables that all of them get.

    They all start at once, as containers do: none may rely on another being there first.
    """
    with ExitStack() as stack:

        def spawn(name: str, number: int, more: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Path]:
            environment = {
                "SIGHTLINE_BUS": bus if isinstance(bus, str) else bus[name],
                "SIGHTLINE_STORE": store if isinstance(store, str) else store[name],
                "SIGHTLINE_TOKEN_PEPPER": "the same for all",
                "SIGHTLINE_SWEEP_INTERVAL_S": "2",
                **(settings or {}),
                **more,
            }
            return stack.enter_context(_started(folder / f"{number}-{name}", name, environment))

        def start(name: str, number: int, more: Mapping[str, str]) -> Process:
            return ready(name, *spawn(name, number, more))

        def ready(name: str, process: subprocess.Popen[bytes], log: Path) -> Process:
            return Process(name, wait_until_ready(process, log), process, log)

        started = [(name, *spawn(name, number, {})) for number, name in enumerate(services)]
        yield House(start, [ready(*each) for each in started])


@contextmanager
def _started(folder: Path, name: str, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    command = [sys.executable, "-m", "sightline", "serve", name, "--port", "0", "--data", str(folder)]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(environment), stdout=subprocess.PIPE, stderr=errors
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
