"""The all-in-one platform as a process of its own, on a free port."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_READY = re.compile(rb"ready: (http://\S+)")
_START_S = 45.0
_STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running platform. What it logs is in `log`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it as kill -9 does, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as SIGTERM does; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_S)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of Sightline, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    return kept | dict(extra or {})


@contextmanager
def serving(
    data: Path, *, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run `sightline up` on a free port with everything it keeps under `data`; it is gone afterwards.

    Run it again on the same `data` to see what survives. `environment` adds settings, `arguments` options of `up`.
    """
    data.mkdir(parents=True, exist_ok=True)
    log = data / "log"
    command = [sys.executable, "-m", "sightline", "up", "--port", "0", "--data", str(data), *arguments]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(environment), stdout=subprocess.PIPE, stderr=errors
        )
    try:
        yield Server(wait_until_ready(process, log), process, log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the origin that the process says; fail with what it said when it does not get ready."""
    assert process.stdout is not None
    deadline = time.monotonic() + _START_S
    said = b""
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left_s)[0]:
            break
        part = os.read(process.stdout.fileno(), 65536)
        said += part
        if match := _READY.search(said):
            return match[1].decode()
        if not part:
            break
    raise AssertionError(f"the platform did not get ready:\n{said.decode()}\n{log.read_text()[-4000:]}")
