"""Notices that everything fails, so that a bad deploy does not drain a queue into dead letters."""

from services.kit.errors import Unavailable

MOST_FAILURES = 20
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class Breaker:
    """Counts messages that failed by our fault with no success between; from `most` on it is open.

    Who asks decides whose fault it was. What a client sent wrong must not count: one client could stop the house. Nor
    does one message count twice, however often it is tried.
    """

    advice = (
        "the queue is kept, and one message is tried now and then until one succeeds. The log says why under"
        " consume.failed or consume.rejected: undo what was changed last, or mend it and restart the service"
    )

    def __init__(self, name: str, most: int = MOST_FAILURES) -> None:
        self.name = name
        self._most = most
        self._failed: set[str] = set()
        self._reason = ""
        self._next_pause_s = _FIRST_PAUSE_S

    @property
    def is_open(self) -> bool:
        """Whether nothing more is to be taken, but for a trial now and then."""
        return len(self._failed) >= self._most

    def fail(self, message_id: str, reason: str) -> bool:
        """Count the message; say whether it opened the breaker."""
        if self.is_open:
            return False
        self._failed.add(message_id)
        self._reason = reason
        return self.is_open

    def succeed(self) -> bool:
        """Begin to count anew; say whether that closed the breaker."""
        was_open = self.is_open
        self._failed.clear()
        self._next_pause_s = _FIRST_PAUSE_S
        return was_open

    def pause_s(self) -> float:
        """Return how long to wait before the next trial, twice as long each time, up to a minute; closed, 0."""
        if not self.is_open:
            return 0.0
        pause_s, self._next_pause_s = self._next_pause_s, min(2 * self._next_pause_s, _LONGEST_PAUSE_S)
        return pause_s

    def check(self) -> None:
        """Raise Unavailable while open, saying what to do."""
        if self.is_open:
            raise Unavailable(
                f"the last {self._most} messages of {self.name} failed, most recently with {self._reason}:"
                f" {self.advice}"
            )
