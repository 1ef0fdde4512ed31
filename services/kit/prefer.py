"""How long a request wants to wait: `?wait=seconds`, or `Prefer: wait=seconds` (RFC 7240); and for what."""

import re
from typing import Annotated

from fastapi import Request
from pydantic import Field

from services.kit.errors import Refused
from services.kit.http import platform_of
from services.kit.parameters import Parameters, header
from services.kit.waiter import WaitFor

_WAIT = re.compile(r"(?:^|[;,\s])wait\s*=\s*\"?(\d{1,9})\"?", re.IGNORECASE)
PREFER = header("prefer", "`wait=seconds` (RFC 7240): wait as long as this installation lets you.", "wait=10")


class Waiting(Parameters):
    """The parameters of a route that can wait."""

    wait: Annotated[
        float | None, Field(ge=0, description="Seconds to wait for a result; 0 answers at once.", examples=[10])
    ] = None
    wait_for: Annotated[
        WaitFor,
        Field(
            description="End the wait at the first answer, or only at one that reaches the threshold.",
            examples=["confident"],
        ),
    ] = "answer"

    def seconds(self, request: Request) -> float:
        """Return how long this request wants to wait.

        Raises:
            Refused: invalid_parameter, longer than this installation lets anybody wait.
        """
        longest = platform_of(request).settings.max_wait_s
        if self.wait is not None:
            return check_wait(self.wait, longest)
        prefer = request.headers.get("prefer")
        preferred = _WAIT.search(prefer) if prefer else None
        return min(float(preferred[1]), longest) if preferred else 0.0  # a preference may be met in part


def check_wait(wait_s: float, longest_s: float) -> float:
    """Return `wait_s`; raise Refused when it is longer than this installation lets anybody wait."""
    if wait_s > longest_s:
        raise Refused("invalid_parameter", f"wait: at most {longest_s:g} seconds; ask again to wait longer")
    return wait_s
