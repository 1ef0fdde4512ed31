"""What handlers are given and what they return."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from contracts.base import Payload
from contracts.events import Event
from services.kit.bus.port import Message

SUSPECT_RETURNS = 2
"""Once may be anything: a restart, a cut line. Twice is rare enough for the price of working alone."""


@dataclass(frozen=True, slots=True)
class Done:
    """Handled. `events` are published and confirmed before the delivery is acknowledged.

    `proves` says that the work itself was done, and so can be done. It is not when a query was shed or its image bad.
    """

    events: Sequence[Event[Payload]] = field(default=())
    proves: bool = True


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed for a reason that may pass. The delay is the queue's unless `delay_s` is given.

    `blameless` says that the reason lies outside the message, with a part that is away: it is then repeated for as
    long as that takes.
    """

    reason: str
    detail: str = ""
    delay_s: float | None = None
    blameless: bool = False


@dataclass(frozen=True, slots=True)
class Raised(Retry):
    """The handler raised; only the consume loop makes it."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Failed for ever."""

    reason: str
    detail: str = ""


Outcome = Done | Retry | Reject


@dataclass(frozen=True, slots=True)
class Work:
    """One decoded delivery. `last_attempt` says that a Retry would become a dead letter, if the message is to blame."""

    event: Event[Payload]
    attempt: int
    last_attempt: bool
    message: Message
    """As it came, for the one handler that looks at dead letters."""
    returned: int = 0
    """As in `port.Delivery`."""

    @property
    def suspect(self) -> bool:
        """Whether it may be what killed its consumer: such a message is handled alone."""
        return self.returned >= SUSPECT_RETURNS


Handler = Callable[[Sequence[Work]], Awaitable[Sequence[Outcome]]]
