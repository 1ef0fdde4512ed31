"""The schedule of faults: a function of the seed, the time and what may be broken, so that a run can be repeated."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from infra.drill.services import ALL_IN_ONE, WORKERS
from infra.drill.task import LETHAL_HERE

Kind = Literal[
    "kill", "stop", "freeze", "alarm", "stepdown", "cut", "silence", "facts", "purge", "unbind", "delete", "poison"
]

WARM_UP_S = 5.0
"""A quorum queue of RabbitMQ 3.10 that is killed in its first moments can lose what it confirmed."""
_WARM_UP_EMBEDDED_S = 1.0
_SHORTEST_TAIL_S = 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: it begins at `at_s`, or when the one before it is over, and holds for `hold_s`."""

    at_s: float
    kind: Kind
    target: str
    hold_s: float

    def __str__(self) -> str:
        held = f" for {self.hold_s:.1f} s" if self.hold_s else ""
        return f"{self.kind} {self.target}{held}"


@dataclass(frozen=True, slots=True)
class Possible:
    """A fault that may be chosen: for how long it holds, and what it takes until all is well again."""

    kind: Kind
    target: str
    hold_s: tuple[float, float]
    heals_s: float
    once: bool = False


def possible_faults(
    *,
    services: Sequence[str],
    bus: bool,
    own_servers: bool,
    proxies: bool,
    long: bool = False,
    lethal: bool = LETHAL_HERE,
) -> tuple[Possible, ...]:
    """Return what may be done to an installation of such parts.

    In a `long` drill workers are once frozen until the broker gives them up for dead. `lethal`: there is an image that
    ends the process of its model.
    """
    found = [Possible("kill", name, (0, 0), 2.0) for name in services]
    if len(services) == 1:
        found *= 2
    found += [Possible("freeze", name, (1.5, 3.0), 0.5) for name in services]
    if lethal:
        found.append(Possible("poison", "a model that ends its worker", (0, 0), 4.0))
    if bus and long:
        found += [Possible("freeze", name, (35.0, 40.0), 1.0, once=True) for name in WORKERS]
    if bus:
        found += [
            Possible("facts", "twice, late, early and wrong", (0, 0), 0.5),
            Possible("purge", "inference.image_queries", (0, 0), 1.0, once=True),
            Possible("unbind", "inference.image_queries", (3.0, 4.0), 1.0, once=True),
            Possible("delete", "inference.image_queries", (0, 0), 3.0, once=True),
        ]
    if own_servers:
        found += [
            Possible("kill", "broker", (0.5, 2.0), 8.0),
            Possible("kill", "store", (0.5, 2.0), 4.0),
            Possible("stop", "broker", (0.5, 2.0), 8.0),
            Possible("stepdown", "store", (0, 0), 3.0),
            Possible("freeze", "broker", (3.0, 6.0), 0.5),
            Possible("freeze", "store", (2.0, 5.0), 0.5),
            Possible("alarm", "broker", (4.0, 6.0), 1.5),
        ]
    if proxies:
        found.append(Possible("cut", "connections", (7.0, 9.0), 1.0))
        found.append(Possible("silence", "connections", (3.0, 6.0), 1.0))
    return tuple(found)


def plan(seed: int, seconds: float, possible: Sequence[Possible]) -> tuple[Fault, ...]:
    """Return the faults of a drill: rounds of everything possible, each in an order of its own, with pauses."""
    chance = random.Random(seed)
    embedded = any(each.target in ALL_IN_ONE for each in possible)
    at_s = _WARM_UP_EMBEDDED_S if embedded else WARM_UP_S
    faults: list[Fault] = []
    left = list(possible)
    while possible:
        chance.shuffle(left)
        for each in left:
            hold_s = round(chance.uniform(*each.hold_s), 1)
            if at_s + hold_s + _SHORTEST_TAIL_S > seconds:
                return tuple(faults)
            faults.append(Fault(round(at_s, 1), each.kind, each.target, hold_s))
            at_s += hold_s + each.heals_s + chance.uniform(0.3, 1.5)
        left = [each for each in possible if not each.once]
    return ()
