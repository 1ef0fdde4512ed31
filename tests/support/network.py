"""Places on this machine with a network of their own, and the wires between them, which a test may make worse or cut.

Each place is a network namespace with one address; this process is a place too. Namespaces and wires live as long as
the processes that hold them, so that a killed run leaves nothing.
"""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local import processes
from infra.local.places import Place
from tests.support.server import ROOT
from tests.support.servers import session_folder

_US = 254
_PREFIX = 24
_LOSSY_MTU = 1500
_ANSWER_S = 30.0


class Network:
    """Places by number, from 1 on. `us` is where this process is."""

    def __init__(self, places: Sequence[Place], us: str, wires: "subprocess.Popen[str]") -> None:
        self.places = places
        self.us = us
        self._wires = wires

    def set(
        self,
        senders: Sequence[str] = (),
        receivers: Sequence[str] = (),
        *,
        loss: float = 0.0,
        delay_s: float = 0.0,
        jitter_s: float = 0.0,
        bytes_per_s: float = 0.0,
    ) -> None:
        """Let packets from some addresses to others fare like this; none given means all. Above what was set before."""
        given = {"loss": loss, "delay_s": delay_s, "jitter_s": jitter_s, "bytes_per_s": bytes_per_s}
        self._tell({"from": list(senders), "to": list(receivers), **given})

    def cut(self, some: Sequence[str], others: Sequence[str]) -> None:
        """Carry nothing between the two from now on, in either direction; nobody is told."""
        self.set(some, others, loss=1.0)
        self.set(others, some, loss=1.0)

    def heal(self) -> None:
        """Carry everything at once again."""
        self.set()

    def isolate(self, place: Place) -> None:
        """Carry nothing to and from a place."""
        self.set([place.address], loss=1.0)
        self.set((), [place.address], loss=1.0)

    def _tell(self, condition: dict[str, object]) -> None:
        assert self._wires.stdin is not None
        assert self._wires.stdout is not None
        self._wires.stdin.write(json.dumps(condition) + "\n")
        self._wires.stdin.flush()
        assert self._wires.stdout.readline() == "\n", "the wires ended"


@contextmanager
def network(count: int, *, mtu: int = _LOSSY_MTU) -> Iterator[Network]:
    """Make `count` places that reach each other and us, each under an address of its own."""
    for program in ("ip", "unshare", "nsenter"):
        assert shutil.which(program), f"no {program} here (Debian: iproute2, util-linux): places need it, and root"
    folder = session_folder("network")
    # The range that is set aside for tests of networks (RFC 2544); several runs on one machine rarely meet.
    base = f"198.{secrets.choice((18, 19))}.{secrets.randbelow(256)}"
    names = {number: f"sl{secrets.token_hex(4)}" for number in (*range(1, count + 1), _US)}
    holders = [
        processes.spawn(["unshare", "--net", "sleep", "infinity"], folder=folder, log=folder / "places.log")
        for _ in range(count)
    ]
    devices = [f"{name}={base}.{number}" for number, name in names.items()]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.wires", *devices],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as wires:
        try:
            assert wires.stdout is not None
            assert wires.stdout.readline() == "\n", "no wires: is there a /dev/net/tun, and are we root?"
            for number, holder in enumerate(holders, start=1):
                _wait_for_namespace(holder)
                _run("ip", "link", "set", names[number], "netns", str(holder.pid))
                inside = ("nsenter", "--target", str(holder.pid), "--net")
                _run(*inside, "ip", "link", "set", "lo", "up")
                _address(names[number], f"{base}.{number}", mtu, inside)
            _address(names[_US], f"{base}.{_US}", mtu, ())
            places = [
                Place(f"{base}.{number}", ("nsenter", "--target", str(holder.pid), "--net"))
                for number, holder in enumerate(holders, start=1)
            ]
            yield Network(places, f"{base}.{_US}", wires)
        finally:
            wires.kill()
            for holder in holders:
                processes.kill(holder)


def _address(device: str, address: str, mtu: int, inside: Sequence[str]) -> None:
    _run(*inside, "ip", "address", "add", f"{address}/{_PREFIX}", "dev", device)
    _run(*inside, "ip", "link", "set", device, "mtu", str(mtu), "up")


def _wait_for_namespace(holder: "subprocess.Popen[bytes]") -> None:
    """Return when `unshare` has made the namespace and become what holds it."""
    ours = Path("/proc/self/ns/net").stat().st_ino
    processes.wait_until(
        lambda: Path(f"/proc/{holder.pid}/ns/net").stat().st_ino != ours,
        process=holder,
        logs=(),
        timeout_s=_ANSWER_S,
    )


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
