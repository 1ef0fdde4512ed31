"""Points at which a process can be made to die as kill -9 would kill it, for tests and drills."""

import os
import signal
from typing import Literal

CrashPoint = Literal[
    "submitter.before_claim",
    "submitter.claimed",
    "submitter.confirmed",
    "bus.written",
    "bus.published",
    "inference.image_queries.delivered",
    "inference.decoding",
    "inference.image_queries.confirmed",
    "search.plans.delivered",
    "search.plans.confirmed",
    "search.parts.delivered",
    "search.parts.working",
    "search.parts.stored",
    "search.parts.confirmed",
    "search.assemblies.delivered",
    "search.assemblies.stored",
    "search.assemblies.confirmed",
    "result_store.facts.delivered",
    "result_store.written",
    "result_store.facts.confirmed",
    "waiter.waiting",
]
"""`bus.written`: a message is on its way to RabbitMQ and not confirmed. `bus.published`: it is stored, and nobody here
has acted on that yet. `delivered`: taken, nothing done. `stored`: the rows are, and nobody was told. `confirmed`: what
the handler made is stored, and the delivery not acknowledged."""

# The one setting that is not passed down: a point may lie anywhere. `settings` checks the name.
_CHOSEN = os.environ.get("SIGHTLINE_CRASH_AT", "")


def armed(point: CrashPoint) -> bool:
    """Say whether this process will die at `point`, where finding the moment costs something."""
    return point == _CHOSEN


def crash_at(point: str) -> None:
    """Kill this process with SIGKILL if the setting `crash_at` names `point`; else do nothing."""
    if point == _CHOSEN:
        os.kill(os.getpid(), signal.SIGKILL)
