"""Errors, cut by what the caller should do.

    PlatformError
    ├── ConfigError     a person must change a setting; the process exits with one line
    ├── Refused         the request is wrong; `code` is a row of contracts/http/problems.py
    ├── NotFound        there is no such thing (for this tenant)
    ├── Conflict        somebody was faster, or a name is taken
    ├── Unavailable     a part is away or full; try again after `after_s`
    │   └── Unknown     whether it took effect is not known; repeat it idempotently
    └── Undecodable     these bytes can never be read, here or later
        └── UnknownVersion   but a newer version of this service may know them: park, do not drop

Adapters translate their driver's errors at their edge; nobody else sees a driver's error.
"""


class PlatformError(Exception):
    """Base of every error that Sightline raises on purpose."""


class ConfigError(PlatformError):
    """The settings cannot work. The message is one line for a person and holds no secret."""


class Refused(PlatformError):  # noqa: N818 - reads as what happened
    """The request is wrong and would be wrong again. `code` is stable, `detail` is for a person."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class NotFound(PlatformError):  # noqa: N818
    """There is no such thing, or it belongs to another tenant: the two look alike on purpose."""


class Conflict(PlatformError):  # noqa: N818
    """Another writer was faster, or a unique name is taken."""


class Unavailable(PlatformError):  # noqa: N818
    """A part is away, blocked or full. Nothing of the request took effect."""

    def __init__(self, detail: str, *, after_s: float = 2.0) -> None:
        super().__init__(detail)
        self.after_s = after_s


class Unknown(Unavailable):
    """No answer came in time: it may have taken effect. Repeat with the same identity."""


class Undecodable(PlatformError):  # noqa: N818
    """A message that can never be read. `code` is a stable reason."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class UnknownVersion(Undecodable):
    """A message of a type or version that this process does not know; a newer one may."""
