"""Waiting for a count to reach a number without keeping whoever counts from its work."""

import time
from collections.abc import Callable

STALLED_S = 60.0
_LONGEST_PAUSE_S = 0.15
"""Answers may come faster towards the end: a longer pause would be taken for their time."""
_SHORTEST_PAUSE_S = 0.03


def until(count: Callable[[], int], expected: int, began: float) -> float:
    """Return the time (of `time.perf_counter`) at which `count` reached `expected`; work on it began at `began`.

    Asks seldom at first, then often: asking costs the one who is measured some milliseconds.

    Raises:
        RuntimeError: a minute passed in which the count did not grow.
    """
    had, seen, changed = count(), -1, time.perf_counter()
    while True:
        now, found = time.perf_counter(), count()
        if found >= expected:
            return now
        if found != seen:
            seen, changed = found, now
        elif now - changed > STALLED_S:
            raise RuntimeError(f"{expected - found} answers are missing and none came for {STALLED_S:.0f} s")
        left_s = (expected - found) * (now - began) / max(1, found - had)
        time.sleep(min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, left_s / 2)))
