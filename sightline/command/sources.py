"""The data sources that searches know, and how much there is of each."""

from typing import Annotated, cast

import typer

from contracts.http.sources import SourceExtent
from sightline.command.failures import NOT_FOUND, USAGE, CommandFailed
from sightline.command.options import Json, Url, open_client
from sightline.command.output import print_json, print_table
from sightline.data_sources import SourceCriteria

_COLUMNS = ("ID", "SOURCE", "TYPE", "MINUTES", "FROM", "TO", "PRODUCTS")
_TIMEOUT_S = 60.0
"""The platform counts the records of every source."""
_PARTS = ("program", "platform", "instrument_type")


def sources(
    which: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="Only PROGRAM[/PLATFORM[/INSTRUMENT]].", show_default=False),
    ] = None,
    *,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List the data sources by identifier, with how many minutes of ephemeris and data products there are."""
    names = which.split("/") if which is not None else []
    if len(names) > len(_PARTS) or not all(names):
        raise CommandFailed(f"{which}: a source is PROGRAM[/PLATFORM[/INSTRUMENT]]", exit_code=USAGE)
    with open_client(url, timeout_s=_TIMEOUT_S) as client:
        found = client.data_source_extents(**cast("SourceCriteria", dict(zip(_PARTS, names, strict=False))))
    if which is not None and not found:
        raise CommandFailed(f"there is no data source {which}; without it, this lists all", exit_code=NOT_FOUND)
    if as_json:
        for source in found:
            print_json(source)
        return
    print_table(_COLUMNS, map(_row, found))


def _row(source: SourceExtent) -> tuple[str, ...]:
    stats = source.stats
    begins = (stats.earliest_ephemeris_loaded, stats.earliest_data_product_loaded)
    ends = (stats.latest_ephemeris_loaded, stats.latest_data_product_loaded)
    return (
        str(source.identifier),
        f"{source.program}/{source.platform}/{source.instrument_type}",
        source.source_type,
        str(stats.ephemeris_count),
        min(filter(None, begins), default=""),
        max(filter(None, ends), default=""),
        str(stats.data_product_count),
    )
