"""The services as processes, and the supervisor that starts again what ends, as a container engine does."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from infra.local import folders, processes

HOUSE = ("result_store", "inference-1", "inference-2", "search-1", "search-2", "submitter", "gateway")
"""The services in production's shape, downstream first, with two workers of each sort."""
WORKERS = ("inference-1", "search-1")
"""One of each sort."""
ALL_IN_ONE = ("platform",)
_WATCH_S = 0.1
_RESTART_S = 0.5
_READY_S = 90.0
_ASK_S = 3.0
_STOP_S = 60.0
_AWAY = 4
"""Exit status of a service that cannot reach broker or store as it starts."""


class DrillError(RuntimeError):
    """The drill cannot go on; the message is for a person."""


@dataclass(slots=True)
class Service:
    """One service that is meant to run. `name` tells workers apart, `port` stays the same over restarts."""

    name: str
    port: int
    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    killed: bool = False
    """Whether its last end was our doing."""

    @property
    def origin(self) -> str:
        """Where its HTTP door is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it logged, over all its lives."""
        return self.folder / "log"

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def spawn(self) -> None:
        """Start its process."""
        what = ["up"] if self.name in ALL_IN_ONE else ["serve", self.name.partition("-")[0]]
        command = [sys.executable, "-m", "sightline", *what, "--port", str(self.port), "--data", str(self.folder)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        self.killed = False
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 (our own command)
                command,
                cwd=self.folder,
                env={**kept, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        folders.record(self.folder, self.process.pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its main process alone, as the kernel does that runs out of memory."""
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


@dataclass(slots=True)
class Ending:
    """A process that ended and was started again. `status` as `subprocess` tells it: negative is a signal."""

    service: str
    status: int
    by_drill: bool

    @property
    def by_poison(self) -> bool:
        """Whether a model ended it on the image that is planted for that."""
        return self.status == -signal.SIGFPE and self.service.startswith(("inference", *ALL_IN_ONE))


@dataclass(slots=True)
class Supervisor:
    """Keeps services running until they are stopped. `endings` are those that it has seen."""

    services: Sequence[Service]
    endings: list[Ending] = field(default_factory=list)
    _watching: asyncio.Task[None] | None = None

    def __getitem__(self, name: str) -> Service:
        return next(service for service in self.services if service.name == name)

    def start(self) -> None:
        """Start all at once, as containers do, and watch them."""
        for service in self.services:
            service.spawn()
        self._watching = asyncio.create_task(self._watch(), name="supervisor")

    async def ready(self, names: Sequence[str] = (), *, within_s: float = _READY_S) -> None:
        """Return when every service, or each of those named, says that it is ready.

        Raises:
            DrillError: one does not get ready; the message ends with what it logged last.
        """
        deadline = time.monotonic() + within_s
        async with httpx2.AsyncClient(timeout=_ASK_S) as client:
            for service in [self[name] for name in names] or self.services:
                while not await _is_ready(client, service):
                    if time.monotonic() > deadline:
                        said = processes.tail([service.log])
                        raise DrillError(f"{service.name} was not ready after {within_s:.0f} s; it said last:\n{said}")
                    await asyncio.sleep(_WATCH_S)

    def kill(self, name: str) -> None:
        """End a service as kill -9 does; it is started again."""
        self[name].killed = True
        self[name].send(signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """Stop a service where it is."""
        self[name].send(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Undo `freeze`."""
        self[name].send(signal.SIGCONT)

    async def replace(self, name: str) -> int:
        """End a service in good order and start it anew, as an upgrade does; return its exit status."""
        await self._pause()
        try:
            status = await self._end(self[name])
            self[name].spawn()
        finally:
            self._watching = asyncio.create_task(self._watch(), name="supervisor")
        return status

    async def stop(self) -> dict[str, int]:
        """End every service in good order, all at once; return the exit status of each."""
        await self._pause()
        statuses = await asyncio.gather(*(self._end(service) for service in self.services))
        return {service.name: status for service, status in zip(self.services, statuses, strict=True)}

    async def close(self) -> None:
        """End what is left, decoders of killed services included."""
        await self._pause()
        for service in self.services:
            if service.process is not None:
                await asyncio.to_thread(processes.kill, service.process)

    async def _end(self, service: Service) -> int:
        process = service.process
        if process is None:
            return 0
        service.send(signal.SIGCONT)
        service.send(signal.SIGTERM)
        try:
            return await asyncio.to_thread(process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            await asyncio.to_thread(processes.kill, process)
            return process.returncode

    async def _pause(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    async def _watch(self) -> None:
        due: dict[str, float] = {}
        while True:
            for service in self.services:
                if service.runs or service.process is None:
                    continue
                if service.name not in due:
                    self.endings.append(Ending(service.name, service.process.returncode, service.killed))
                    due[service.name] = time.monotonic() + _RESTART_S
                elif time.monotonic() >= due[service.name]:
                    del due[service.name]
                    service.spawn()
            await asyncio.sleep(_WATCH_S)


def deaths_of(endings: Sequence[Ending], *, poisoned: bool = False) -> list[str]:
    """Return which services ended by themselves for another reason than that a part was away, one line each.

    Where images were planted that end a worker, it may end so, and one must have.
    """
    found = [
        f"{ending.service} ended by itself with status {ending.status}"
        for ending in endings
        if not ending.by_drill and ending.status != _AWAY and not (poisoned and ending.by_poison)
    ]
    if poisoned and not any(ending.by_poison for ending in endings):
        found.append("no worker ended by the images planted for that: the poison is none here")
    return found


async def _is_ready(client: httpx2.AsyncClient, service: Service) -> bool:
    try:
        return (await client.get(f"{service.origin}/readyz")).status_code == httpx2.codes.OK
    except httpx2.RequestError:
        return False
