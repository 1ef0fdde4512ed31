"""What the platform says when it refuses a search or records, told to somebody who gave options."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contracts.http.problems import PROBLEMS
from sightline.command.failures import CommandFailed, exit_code_of
from sightline.errors import Refused

_TITLE = f"{PROBLEMS['invalid_parameter'].title}: "
_BLOCK = re.compile(r"([a-z]+)(?:\.([0-9]+)(?=\.|$)|([0-9]+)$)")
"""A block of a query is called ground1, or ground.0 where something in it cannot be."""


@contextmanager
def plainly(options: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn a refusal into one line; `options` says which option a field or a block of the query came from.

    The code is left out: the surface of AuroraX, which these calls use, gives the names that its own client prints.

    Raises:
        CommandFailed: the platform said no.
    """
    try:
        yield
    except Refused as error:
        parts = (error.detail or error.code).removeprefix(_TITLE).split("; ")
        text = "; ".join(_told(part, options) for part in parts) if options else "; ".join(parts)
        raise CommandFailed(text, exit_code=exit_code_of(error)) from error


def _told(rule: str, options: Mapping[str, str]) -> str:
    where, colon, what = rule.partition(": ")
    option = options.get(_field(where)) if colon else None
    return rule if option is None else f"{option}: {what}"


def _field(where: str) -> str:
    block = _BLOCK.match(where)
    if block is None:
        return where.partition(".")[0]
    kind, index, number = block.groups()
    return f"{kind}{number or int(index) + 1}"
