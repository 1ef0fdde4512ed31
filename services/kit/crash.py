"""Points at which a process can be made to die as kill -9 would kill it, for tests and drills."""

import os
import signal
from typing import Literal

CrashPoint = Literal[
    "submitter.before_claim",
    "submitter.claimed",
    "submitter.confirmed",
    "bus.published",
    "inference.image_queries.delivered",
    "inference.decoding",
    "inference.image_queries.confirmed",
    "search.parts.delivered",
    "search.parts.working",
    "search.parts.confirmed",
    "search.assemblies.confirmed",
    "result_store.facts.delivered",
    "result_store.written",
    "result_store.facts.confirmed",
    "waiter.waiting",
]
"""`bus.published`: a message is stored, and nobody here has acted on that yet. `delivered`: taken, nothing done.
`confirmed`: what the handler made is stored, and the delivery not acknowledged."""

# The one setting that is not passed down: a point may lie anywhere. `settings` checks the name.
_CHOSEN = os.environ.get("SIGHTLINE_CRASH_AT", "")


def crash_at(point: str) -> None:
    """Kill this process with SIGKILL if the setting `crash_at` names `point`; else do nothing."""
    if point == _CHOSEN:
        os.kill(os.getpid(), signal.SIGKILL)
