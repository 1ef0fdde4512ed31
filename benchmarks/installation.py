"""A running platform to measure: all in one process, or each service in its own."""

import itertools
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.folders import ROOT
from benchmarks.models import BenchmarkModel
from benchmarks.usage import Usage, usage_of
from contracts.http.routes import owner_of

_READY = re.compile(rb"ready: (http://\S+)")
_START_S = 60.0
_STOP_S = 40.0
_CHECK_S = 60.0
_ENDED = 'sightline_queries_ended_total{state="answered"}'


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the platform."""

    service: str
    origin: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A platform. `bus` is the address for devices, "" when only the platform's own process reaches its bus.

    `servers` are the processes of broker and database, where they run on this machine and are known.
    """

    processes: Sequence[Process]
    bus: str = ""
    store: str = ""
    servers: Mapping[str, int] = field(default_factory=dict)

    def origin(self, service: str) -> str:
        """Return the address of a service's HTTP door."""
        alone = len(self.processes) == 1
        return next(process.origin for process in self.processes if alone or process.service == service)

    def door(self, method: str, path: str) -> str:
        """Return the address of the service that owns a path, by the table of routes."""
        return self.origin(owner_of(method, path.partition("?")[0]))

    @contextmanager
    def paused(self, *services: str) -> Iterator[None]:
        """Stop the processes of these services for a while; nothing where one process is all of them."""
        stopped = [process.pid for process in self.processes if process.service in services]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    def usage(self) -> dict[str, Usage]:
        """Return what each service and server used up to now; processes of one service count together."""
        found: dict[str, Usage] = {}
        pairs = [(process.service, process.pid) for process in self.processes]
        for name, pid in [*pairs, *self.servers.items()]:
            used = usage_of(pid)
            found[name] = found[name] + used if name in found else used
        return found

    def answered(self, client: httpx2.Client) -> int:
        """Return how many queries the result store has written as answered."""
        text = client.get(f"{self.origin('result_store')}/metrics").text
        for line in text.splitlines():
            if line.startswith(_ENDED):
                return int(float(line.rpartition(" ")[2]))
        return 0

    def prepare(self, model: BenchmarkModel) -> str:
        """Upload a model, make a detector of the same name, and return the detector's ID."""
        with httpx2.Client(timeout=_CHECK_S) as client:
            manifest = model.manifest.model_dump_json()
            parts = {"model": ("model.onnx", model.data), "manifest": (None, manifest), "name": (None, model.name)}
            uploaded = self._call(client, "POST", "/v1/models", files=parts)
            deadline = time.monotonic() + _CHECK_S
            while uploaded["status"] == "checking" and time.monotonic() < deadline:
                uploaded = self._call(client, "GET", f"/v1/models/{uploaded['id']}")
                time.sleep(0.05)
            if uploaded["status"] != "ready":
                raise RuntimeError(f"the model {model.name} is {uploaded['status']}: {uploaded.get('reason')}")
            body = {
                "name": model.name,
                "query": "Where does it point?",
                "mode": "multiclass",
                "labels": list(model.labels),
                "model": model.name,
            }
            detector_id: str = self._call(client, "POST", "/v1/detectors", json=body)["id"]
            return detector_id

    def _call(self, client: httpx2.Client, method: str, path: str, **given: Any) -> dict[str, Any]:
        answer = client.request(method, self.door(method, path) + path, **given)
        answer.raise_for_status()
        body: dict[str, Any] = json.loads(answer.content)
        return body


@contextmanager
def all_in_one(folder: Path) -> Iterator[Installation]:
    """Run `sightline up` on its embedded bus and store in `folder`."""
    with _serving(folder, "all in one", ["up"], {}) as process:
        yield Installation(processes=[process], store=f"sqlite:///{folder / 'store.sqlite'}")


@contextmanager
def separate(
    folder: Path,
    *,
    bus: str,
    store: str,
    workers: int = 1,
    pinned: bool = False,
    servers: Mapping[str, int] | None = None,
    services: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Installation]:
    """Run each service as a process on `bus` and `store`: `services`, or those of images with `workers` for them.

    `pinned` workers may use one processor each, in turn. `settings` are variables for all of them.
    """
    names = services or ["result_store", *["inference"] * workers, "submitter", "gateway"]
    environment = {
        "SIGHTLINE_BUS": bus,
        "SIGHTLINE_STORE": store,
        "SIGHTLINE_TOKEN_PEPPER": "of the benchmark",
        **(settings or {}),
    }
    processors = itertools.cycle(sorted(os.sched_getaffinity(0)))
    with ExitStack() as stack:
        processes = []
        for number, name in enumerate(names):
            prefix = ["taskset", "--cpu-list", str(next(processors))] if pinned and name == "inference" else []
            place = folder / f"{number}-{name}"
            processes.append(stack.enter_context(_serving(place, name, ["serve", name], environment, prefix)))
        yield Installation(processes=processes, bus=bus, store=store, servers=servers or {})


@contextmanager
def _serving(
    folder: Path, service: str, command: Sequence[str], settings: Mapping[str, str], prefix: Sequence[str] = ()
) -> Iterator[Process]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "sightline", *command, "--port", "0", "--data", str(folder)],
            cwd=ROOT,
            env={**inherited, **settings},
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    with process:
        try:
            yield Process(service, _wait_until_ready(process, log), process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    assert process.stdout is not None
    deadline, said = time.monotonic() + _START_S, b""
    while (left_s := deadline - time.monotonic()) > 0 and select.select([process.stdout], [], [], left_s)[0]:
        part = os.read(process.stdout.fileno(), 65536)
        said += part
        if match := _READY.search(said):
            return match[1].decode()
        if not part:
            break
    raise RuntimeError(f"a service did not start:\n{log.read_text()[-4000:]}")
