"""What goes wrong, cut by what the caller should do.

SightlineError
├── Refused            the request is wrong and would be wrong again; `code` is stable
│   ├── NotAuthenticated   send a valid token (SIGHTLINE_TOKEN)
│   ├── NotAllowed         the token lacks a scope
│   ├── NotFound           there is no such thing, or not any more
│   └── Conflict           a name is taken, the query has ended, somebody was faster
├── Unavailable        nothing took effect; try again later
│   ├── UnknownOutcome     no answer came: it may have taken effect; repeat a submit with its `idempotency_key`
│   └── NotSightline       something answers at this address, but not as Sightline does
├── WaitTimeout        the time is up; `query` is what is known, and asking again goes on
└── QueryEnded         the query ended without an answer; `query` says how
"""

from contracts.http.queries import Query


class SightlineError(Exception):
    """Base of every error that this package raises on purpose. Its text never holds a token."""


class Refused(SightlineError):  # noqa: N818 - reads as what happened, as do its neighbours
    """The platform said no. `code` is stable (contracts/http/problems.py), `detail` is for a person."""

    def __init__(self, code: str, detail: str = "", *, status: int = 422) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.status = status


class NotAuthenticated(Refused):
    """A valid token is needed."""


class NotAllowed(Refused):
    """The token does not allow this."""


class NotFound(Refused):
    """There is no such thing, or it was removed (then `status` is 410)."""


class Conflict(Refused):
    """Something else was there first."""


class Unavailable(SightlineError):  # noqa: N818
    """The platform, or a part of it, is away or full.

    `reached` is True when something at the address took a connection, as a platform does that is restarting.
    """

    def __init__(self, detail: str, *, reached: bool = False) -> None:
        super().__init__(detail)
        self.reached = reached


class UnknownOutcome(Unavailable):
    """No answer came in time, so it may have taken effect.

    `idempotency_key` is that of a submit: repeating the submit with it gives the same ID, never a second query. It is
    None for calls that have no key; look before you repeat those.
    """

    def __init__(self, detail: str, *, idempotency_key: str | None = None) -> None:
        key = f"; repeat it with idempotency key {idempotency_key}" if idempotency_key else ""
        super().__init__(f"{detail}; it may have taken effect{key}", reached=True)
        self.idempotency_key = idempotency_key


class NotSightline(Unavailable):
    """The address answers, but not as Sightline does: another server, or a proxy in between."""


class WaitTimeout(SightlineError, TimeoutError):  # noqa: N818
    """The time to wait is up. `query` is as it was last seen; it goes on, and so may another wait."""

    def __init__(self, query: Query, timeout_s: float) -> None:
        super().__init__(f"{query.id} is {query.state} with label {query.label} after {timeout_s:g} s")
        self.query = query


class QueryEnded(SightlineError):  # noqa: N818
    """The query failed, expired or was cancelled, so no model will answer it. A person may still label it."""

    def __init__(self, query: Query) -> None:
        reason = f": {query.error.reason} {query.error.detail}".rstrip() if query.error else ""
        super().__init__(f"{query.id} ended without an answer ({query.state}{reason})")
        self.query = query
