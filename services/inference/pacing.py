"""How many questions are taken at once.

Many at a time cost each of them less: fewer messages, fewer writes. But the answers of a batch come together, so that
with a slow model the first would wait for the last.
"""

import time
from collections.abc import Callable, Sequence

from services.kit.bus.outcomes import Handler, Outcome, Work

_TARGET_S = 0.25
"""About how long a batch may take."""
_NEW = 0.3
"""How much the latest batch says of the next."""


class Pace:
    """Measures batches; `size` is how many questions to take next, from `least` to `most`."""

    def __init__(self, *, least: int, most: int, timer: Callable[[], float] = time.perf_counter) -> None:
        self._least = min(least, most)
        self._most = most
        self._timer = timer
        self._each_s = 0.0

    def size(self) -> int:
        """Return how many questions take about a quarter of a second, by what the last batches took."""
        if not self._each_s:
            return min(self._most, max(self._least, 16))
        return min(self._most, max(self._least, int(_TARGET_S / self._each_s)))

    def of(self, handler: Handler) -> Handler:
        """Return `handler`, measured."""

        async def measured(batch: Sequence[Work]) -> Sequence[Outcome]:
            began = self._timer()
            outcomes = await handler(batch)
            each_s = (self._timer() - began) / len(batch)
            self._each_s = self._each_s + _NEW * (each_s - self._each_s) if self._each_s else each_s
            return outcomes

        return measured
