"""The process that carries packets between places of a `network`: `python -m tests.support.wires DEVICE=ADDRESS...`.

It does in user space what `tc netem` does in kernels that have it: packets are lost, delayed, overtaken, held up to a
rate, or not carried at all. Each line that it reads is one object `{"from": [...], "to": [...], "loss": 0.1,
"delay_s": 0.2, "jitter_s": 0.1, "bytes_per_s": 64000}`; an empty list stands for every address. A later line stands
above an earlier one; it answers each with an empty line. It ends with its input.
"""

import fcntl
import heapq
import json
import os
import random
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_DEVICE = "/dev/net/tun"
_PACKET_BYTES = 65536
_MOST_AT_ONCE = 64
_QUEUE_S = 3.0
"""What would wait longer for its turn on a slow line is dropped, as a full buffer drops it."""
_IDLE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Condition:
    """How packets fare from some addresses to some others; `loss` 1 carries none."""

    senders: frozenset[bytes]
    receivers: frozenset[bytes]
    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0

    def holds(self, sender: bytes, receiver: bytes) -> bool:
        """Say whether it is about packets of these addresses."""
        return (not self.senders or sender in self.senders) and (not self.receivers or receiver in self.receivers)


class Wires:
    """A switch with one device per address."""

    def __init__(self, devices: dict[bytes, int]) -> None:
        self._devices = devices
        self._conditions: list[Condition] = []
        self._free_at: dict[tuple[bytes, bytes], float] = {}
        self._flying: list[tuple[float, int, int, bytes]] = []
        self._count = 0

    def set(self, condition: Condition) -> None:
        """Hold to a condition from now on, for the packets that come."""
        self._conditions.insert(0, condition)

    def take(self, device: int) -> None:
        """Take what a device has sent."""
        for _ in range(_MOST_AT_ONCE):
            try:
                packet = os.read(device, _PACKET_BYTES)
            except BlockingIOError:
                return
            self._send(packet)

    def deliver(self) -> float:
        """Deliver what is due; return the seconds until there is more."""
        now = time.monotonic()
        while self._flying and self._flying[0][0] <= now:
            _, _, device, packet = heapq.heappop(self._flying)
            _write(device, packet)
        return max(0.0, self._flying[0][0] - now) if self._flying else _IDLE_S

    def _send(self, packet: bytes) -> None:
        sender, receiver = packet[12:16], packet[16:20]
        device = self._devices.get(receiver)
        if device is None or packet[0] >> 4 != 4:
            return
        condition = next((each for each in self._conditions if each.holds(sender, receiver)), None)
        if condition is None:
            _write(device, packet)
            return
        if random.random() < condition.loss:
            return
        at = time.monotonic()
        if condition.bytes_per_s:
            at = max(at, self._free_at.get((sender, receiver), 0.0)) + len(packet) / condition.bytes_per_s
            if at > time.monotonic() + _QUEUE_S:
                return
            self._free_at[sender, receiver] = at
        at += condition.delay_s + random.uniform(-condition.jitter_s, condition.jitter_s)
        self._count += 1
        heapq.heappush(self._flying, (at, self._count, device, packet))


def _write(device: int, packet: bytes) -> None:
    try:
        os.write(device, packet)
    except OSError:  # the place is gone, or its buffer is full: then a packet is lost, as on any wire
        return


def _open(name: str) -> int:
    device = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return device


def _condition(line: str) -> Condition:
    given = json.loads(line)
    return Condition(senders=_packed(given.pop("from", ())), receivers=_packed(given.pop("to", ())), **given)


def _packed(addresses: Iterable[str]) -> frozenset[bytes]:
    return frozenset(socket.inet_aton(address) for address in addresses)


def _answer() -> None:
    sys.stdout.write("\n")
    sys.stdout.flush()


def main(devices: Iterable[str]) -> None:
    """Make the devices, say so, and carry packets until the input ends."""
    opened = {socket.inet_aton(address): _open(name) for name, _, address in (each.partition("=") for each in devices)}
    wires = Wires(opened)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for device in opened.values():
            selector.register(device, selectors.EVENT_READ)
        _answer()
        while True:
            for key, _ in selector.select(wires.deliver()):
                if key.fd != sys.stdin.fileno():
                    wires.take(key.fd)
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                wires.set(_condition(line))
                _answer()


if __name__ == "__main__":
    main(sys.argv[1:])
