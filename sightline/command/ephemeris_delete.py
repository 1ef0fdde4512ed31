"""Deleting the ephemeris of a span."""

from datetime import datetime
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from contracts.http.aurorax import SourceInfo, UtcSecond
from sightline.command.ephemeris_delivery import existing
from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Url, Yes, confirm, open_client
from sightline.command.search_refusals import plainly

TIMEOUT_S = 60.0
Source = Annotated[str, typer.Option("--source", help="PROGRAM/PLATFORM/INSTRUMENT, or its identifier.")]
_MOMENT = TypeAdapter[datetime](UtcSecond)


def delete(
    *,
    source: Source,
    start: Annotated[str, typer.Option(help="First minute, like 2020-01-01T00:00, in UTC.")],
    end: Annotated[str, typer.Option(help="Last minute.")],
    yes: Yes = False,
    url: Url = None,
) -> None:
    """Delete the ephemeris of a span, both ends included. What is not there is no error."""
    span = moments_of(start, end)
    with open_client(url, timeout_s=TIMEOUT_S) as client:
        found = existing(client, source)
        first, last = (f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in span)
        confirm(f"Delete the ephemeris of {name_of(found)} from {first} to {last}?", yes=yes)
        with plainly():
            count = client.delete_ephemeris(found, *span)
        print(f"{name_of(found)}: {count} records deleted")


def moments_of(start: str, end: str) -> tuple[datetime, datetime]:
    """Return the times of a span, in UTC.

    Raises:
        CommandFailed: they are no times, or the wrong way round.
    """
    span = _moment(start, "--start"), _moment(end, "--end")
    if span[1] < span[0]:
        raise CommandFailed("--end must not lie before --start", exit_code=USAGE)
    return span


def name_of(source: SourceInfo) -> str:
    """Return what a person is told about which source it is."""
    return f"{source.identifier} {source.program}/{source.platform}/{source.instrument_type}"


def _moment(text: str, option: str) -> datetime:
    try:
        return _MOMENT.validate_python(text)
    except ValidationError as error:
        rule = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise CommandFailed(f"{option} is {rule}", exit_code=USAGE) from None
