"""How long a request wants to wait: `?wait=seconds`, or `Prefer: wait=seconds` (RFC 7240)."""

import re
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from services.kit.errors import Refused
from services.kit.http import platform_of

_WAIT = re.compile(r"(?:^|[;,\s])wait\s*=\s*\"?(\d{1,9})\"?", re.IGNORECASE)


async def _wait_seconds(
    request: Request,
    wait: Annotated[
        float | None,
        Query(ge=0, allow_inf_nan=False, description="Seconds to wait for a result; 0 answers at once.", examples=[10]),
    ] = None,
    prefer: Annotated[
        str,
        Header(
            description="`wait=seconds` (RFC 7240): wait as long as this installation lets you.", examples=["wait=10"]
        ),
    ] = "",
) -> float:
    longest = platform_of(request).settings.max_wait_s
    if wait is not None:
        return check_wait(wait, longest)
    preferred = _WAIT.search(prefer)
    return min(float(preferred[1]), longest) if preferred else 0.0  # a preference may be met in part


def check_wait(wait_s: float, longest_s: float) -> float:
    """Return `wait_s`; raise Refused when it is longer than this installation lets anybody wait."""
    if wait_s > longest_s:
        raise Refused("invalid_parameter", f"wait: at most {longest_s:g} seconds; ask again to wait longer")
    return wait_s


WaitSeconds = Annotated[float, Depends(_wait_seconds)]
