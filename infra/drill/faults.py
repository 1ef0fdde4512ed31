"""Doing what the schedule says, one fault after the other, and undoing all of it at the end."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from infra.drill import broker
from infra.drill.doors import Doors
from infra.drill.facts import Forger
from infra.drill.installation import Installation, Server
from infra.drill.load import Load
from infra.drill.schedule import Fault
from infra.drill.searches import Searching
from infra.drill.services import DrillError
from infra.drill.stepdown import step_down

_RUSH = 60
"""Questions asked at once before a process is killed, so that it has work in hand."""
_THICK = 8
"""Of them accepted before it is killed."""
_THICK_SEARCHES = 2
_LOOKS, _LOOK_S = 150, 0.02
_RUSH_AT_CUT = 10
_BIND_TRIES = 20
_KILL_READY_SHARE = 0.75
"""Of the kills, those that wait until the service is ready again; the others may hit it as it starts."""
_KILL_READY_S = 10.0
_CUT_EVERY_S = 1.0
_WATERMARK = "0.4"
_NO_MEMORY = "0.0000001"


@dataclass(slots=True)
class Injected:
    """A fault that was done, in seconds since the load began, and what came of it at once."""

    fault: Fault
    from_s: float
    until_s: float = 0.0
    said: str = ""


@dataclass(slots=True)
class Breaker:
    """Breaks and heals one installation. `tell` is called with each fault as it begins."""

    installation: Installation
    load: Load
    doors: Doors
    forger: Forger | None
    chance: random.Random
    tell: Callable[[Fault], None]
    searching: Searching | None = None
    injected: list[Injected] = field(default_factory=list)

    async def run(self, faults: tuple[Fault, ...]) -> None:
        """Do the faults in their order, each at its time or as soon as the one before it is over."""
        for fault in faults:
            await asyncio.sleep(max(0.0, fault.at_s - self.load.elapsed_s))
            self.tell(fault)
            done = Injected(fault, self.load.elapsed_s)
            self.injected.append(done)
            try:
                done.said = await self._do(fault)
            except DrillError as error:
                done.said = str(error)
            done.until_s = self.load.elapsed_s

    async def heal(self) -> None:
        """Undo everything that may still be broken."""
        for service in self.installation.supervisor.services:
            self.installation.supervisor.resume(service.name)
        for server in (self.installation.broker, self.installation.store):
            if server is not None:
                if server.runs:
                    server.resume()
                await asyncio.to_thread(server.start)
        if self.installation.broker is not None:
            await asyncio.to_thread(self.installation.broker.ctl, "set_vm_memory_high_watermark", _WATERMARK)
        if self.installation.bus:
            await self._bind()

    async def _bind(self) -> None:
        """Put the binding back, once the services have declared the queue again if it was deleted."""
        for tries_left in reversed(range(_BIND_TRIES)):
            try:
                await broker.bind(self.installation.bus)
            except DrillError:
                if not tries_left:
                    raise
                await asyncio.sleep(1.0)
            else:
                return

    async def _do(self, fault: Fault) -> str:
        match fault.kind:
            case "kill" | "stop" if (server := self._server(fault.target)) is not None:
                return await self._take_away(server, fault)
            case "kill":
                if self.chance.random() < _KILL_READY_SHARE:
                    with suppress(DrillError):
                        await self.installation.supervisor.ready([fault.target], within_s=_KILL_READY_S)
                await self._thick(fault.target)
                self.installation.supervisor.kill(fault.target)
            case "freeze":
                await self._freeze(fault)
            case "alarm":
                await self._alarm(fault.hold_s)
            case "poison":
                self.load.poison()
                await self._thick()
            case "stepdown" if self.installation.store is not None:
                await asyncio.to_thread(step_down, self.installation.store.url)
            case "silence":
                await self._silence(fault.hold_s)
            case "cut":
                return await self._cut(fault.hold_s)
            case _:
                return await self._mislead(fault)
        return ""

    async def _mislead(self, fault: Fault) -> str:
        """Do to the broker what its other users may do, by mistake or not."""
        bus = self.installation.bus
        match fault.kind:
            case "facts":
                return await self._forge()
            case "purge":
                await self._thick()
                return f"{await broker.purge(bus)} messages gone"
            case "delete":
                await self._thick()
                await broker.delete(bus)
            case "unbind":
                await broker.unbind(bus)
                await asyncio.sleep(fault.hold_s)
                await broker.bind(bus)
        return ""

    async def _thick(self, target: str = "") -> None:
        """Return in the middle of a rush of questions, or when none are accepted; of searches, if it is about those."""
        searching = self.searching if target.startswith("search") else None
        if self.searching is not None:
            self.searching.rush()
        self.load.rush(_RUSH)

        def accepted() -> int:
            return len(self.load.journal.record.acknowledged) if searching is None else searching.accepted

        enough = accepted() + (_THICK if searching is None else _THICK_SEARCHES)
        for _ in range(_LOOKS):
            if accepted() >= enough:
                return
            await asyncio.sleep(_LOOK_S)

    def _server(self, target: str) -> Server | None:
        return {"broker": self.installation.broker, "store": self.installation.store}.get(target)

    async def _take_away(self, server: Server, fault: Fault) -> str:
        await self._thick()
        began = time.monotonic()
        await asyncio.to_thread(server.kill if fault.kind == "kill" else server.stop)
        await asyncio.sleep(fault.hold_s)
        await asyncio.to_thread(server.start)
        return f"back after {time.monotonic() - began:.1f} s"

    async def _freeze(self, fault: Fault) -> None:
        server = self._server(fault.target)
        if fault.target.startswith("search"):
            await self._thick(fault.target)
        if server is not None:
            server.pause()
        else:
            self.installation.supervisor.freeze(fault.target)
        try:
            await asyncio.sleep(fault.hold_s)
        finally:
            if server is not None:
                server.resume()
            else:
                self.installation.supervisor.resume(fault.target)

    async def _alarm(self, hold_s: float) -> None:
        server = self.installation.broker
        if server is None:
            return
        await asyncio.to_thread(server.ctl, "set_vm_memory_high_watermark", _NO_MEMORY)
        try:
            await asyncio.sleep(hold_s)
        finally:
            await asyncio.to_thread(server.ctl, "set_vm_memory_high_watermark", _WATERMARK)

    async def _cut(self, hold_s: float) -> str:
        until, cuts = time.monotonic() + hold_s, 0
        while time.monotonic() < until:
            self.load.rush(_RUSH_AT_CUT)
            await asyncio.sleep(_LOOK_S)
            for proxy in self.installation.proxies:
                proxy.cut()
            cuts += 1
            await asyncio.sleep(_CUT_EVERY_S * self.chance.uniform(0.4, 1.0))
        return f"{cuts} times"

    async def _silence(self, hold_s: float) -> None:
        """Let nothing through while every connection stays open, as a half-open one does."""
        for proxy in self.installation.proxies:
            proxy.silence()
        try:
            await asyncio.sleep(hold_s)
        finally:
            for proxy in self.installation.proxies:
                proxy.speak()

    async def _forge(self) -> str:
        if self.forger is None:
            return ""
        return f"{await self.forger.publish(self.load, self.doors, self.chance)} facts"
