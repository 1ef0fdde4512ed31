"""Long searches over time and sources: ask, follow the parts, give the rows."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.http.aurorax import FEWEST_BLOCKS, MOST_BLOCKS
from contracts.http.queries import Query
from contracts.v1.search import SearchType
from sightline.client import Client
from sightline.command.failures import NOT_FOUND, USAGE, CommandFailed
from sightline.command.options import Json, Url, open_client
from sightline.command.output import print_facts, print_json, progress
from sightline.command.search_refusals import plainly
from sightline.command.search_rows import Wanted
from sightline.command.sources import sources
from sightline.errors import QueryEnded

_FIRST_POLL_S, _LONGEST_POLL_S = 0.05, 0.5
_TIMEOUT_S = 60.0
"""Reading a large result takes longer than a person waits for anything else."""

_OPTIONS = {
    "start": "--start",
    "end": "--end",
    "data_sources": "--source",
    "max_distances": "--distance",
    "conjunction_types": "--type",
    "data_product_type_filters": "--type",
}
"""The options that the fields of a query come from."""
_SOURCE_HELP = "PROGRAM[/PLATFORM[/INSTRUMENT]], alternatives with commas; once per block."
_Start = Annotated[str | None, typer.Option("--start", help="First moment, like 2020-01-01T00:00:00, in UTC.")]
_End = Annotated[str | None, typer.Option("--end", help="Last moment.")]
_File = Annotated[str | None, typer.Option("--query", help="File with the whole query as JSON; - is standard input.")]
_Csv = Annotated[bool, typer.Option("--csv", help="Rows as CSV.")]
_EphemerisCsv = Annotated[
    bool,
    typer.Option("--csv", help="Rows as CSV; importing them takes --frame GEO --unit degrees --time-scale UTC."),
]
_Parquet = Annotated[Path | None, typer.Option("--parquet", help="File for the rows as Parquet.", dir_okay=False)]
_Map = Annotated[Path | None, typer.Option("--map", help="File for a map of the conjunctions, a PNG.", dir_okay=False)]
_NoWait = Annotated[bool, typer.Option("--no-wait", help="Print the ID and return.")]
_SearchId = Annotated[str, typer.Argument(metavar="ID", help="ID of a search.")]


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="Long searches over time and data sources.")
    app.command("conjunctions")(conjunctions)
    app.command("ephemeris")(ephemeris)
    app.command("data-products")(data_products)
    app.command("sources")(sources)
    app.command("status")(status)
    app.command("get")(get)
    app.command("cancel")(cancel)
    return app


def conjunctions(
    *,
    start: _Start = None,
    end: _End = None,
    ground: Annotated[list[str] | None, typer.Option("--ground", help=_SOURCE_HELP)] = None,
    space: Annotated[list[str] | None, typer.Option("--space", help=_SOURCE_HELP)] = None,
    place: Annotated[list[str] | None, typer.Option("--place", help="A place of your own: LAT,LON.")] = None,
    distance: Annotated[float, typer.Option("--distance", min=0, help="How near all blocks are, in km.")] = 500.0,
    types: Annotated[list[str] | None, typer.Option("--type", help="nbtrace, sbtrace or geographic.")] = None,
    query_file: _File = None,
    no_wait: _NoWait = False,
    as_json: Json = False,
    as_csv: _Csv = False,
    parquet: _Parquet = None,
    map_file: _Map = None,
    url: Url = None,
) -> None:
    """Find when sources were near each other."""
    blocks: dict[str, list[dict[str, Any]]] = {
        "ground": [_criteria(text) for text in ground or ()],
        "space": [_criteria(text) for text in space or ()],
        "adhoc": [{"locations": [_location(text)]} for text in place or ()],
    }
    names = [f"{kind}{number}" for kind, found in blocks.items() for number in range(1, len(found) + 1)]
    pairs = {f"{one}-{other}": distance for at, one in enumerate(names) for other in names[at + 1 :]}
    query = _query(query_file, start, end, {**blocks, "max_distances": pairs, "conjunction_types": types or []})
    if query_file is None and not FEWEST_BLOCKS <= len(names) <= MOST_BLOCKS:
        rule = f"give {FEWEST_BLOCKS} to {MOST_BLOCKS} of --ground, --space and --place; there are {len(names)}"
        raise CommandFailed(rule, exit_code=USAGE)
    given = {"--ground": ground, "--space": space, "--place": place}
    texts = [f"{option} {text}" for option, found in given.items() for text in found or ()]
    options = {**_OPTIONS, **dict(zip(names, texts, strict=True))}
    wanted = Wanted(as_json=as_json, as_csv=as_csv, parquet=parquet, map=map_file)
    _ask("conjunction", query, wanted, options=None if query_file else options, no_wait=no_wait, url=url)


def ephemeris(
    *,
    start: _Start = None,
    end: _End = None,
    source: Annotated[str | None, typer.Option("--source", help=_SOURCE_HELP)] = None,
    query_file: _File = None,
    no_wait: _NoWait = False,
    as_json: Json = False,
    as_csv: _EphemerisCsv = False,
    parquet: _Parquet = None,
    url: Url = None,
) -> None:
    """Find where sources were, minute by minute."""
    query = _query(query_file, start, end, {"data_sources": _criteria(source or "")})
    wanted = Wanted(as_json=as_json, as_csv=as_csv, parquet=parquet)
    options = None if query_file else _options(source)
    _ask("ephemeris", query, wanted, options=options, no_wait=no_wait, url=url)


def data_products(
    *,
    start: _Start = None,
    end: _End = None,
    source: Annotated[str | None, typer.Option("--source", help=_SOURCE_HELP)] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Like keogram; give it again for more.")] = None,
    query_file: _File = None,
    no_wait: _NoWait = False,
    as_json: Json = False,
    as_csv: _Csv = False,
    parquet: _Parquet = None,
    url: Url = None,
) -> None:
    """Find what was made of the data of sources."""
    asked = {"data_sources": _criteria(source or ""), "data_product_type_filters": types or []}
    query = _query(query_file, start, end, asked)
    wanted = Wanted(as_json=as_json, as_csv=as_csv, parquet=parquet)
    options = None if query_file else _options(source)
    _ask("data_product", query, wanted, options=options, no_wait=no_wait, url=url)


def status(search_id: _SearchId, *, as_json: Json = False, url: Url = None) -> None:
    """Say how far a search is."""
    with open_client(url) as client:
        query = client.get_image_query(search_id)
    if as_json:
        print_json(query)
        return
    print_facts(_facts(query))


def get(
    search_id: _SearchId,
    *,
    as_json: Json = False,
    as_csv: _Csv = False,
    parquet: _Parquet = None,
    map_file: _Map = None,
    url: Url = None,
) -> None:
    """Wait for a search and give its rows."""
    wanted = Wanted(as_json=as_json, as_csv=as_csv, parquet=parquet, map=map_file)
    wanted.check()
    with open_client(url, timeout_s=_TIMEOUT_S) as client:
        search = client.get_image_query(search_id).search
        if search is None:
            raise CommandFailed(f"{search_id} is no search", exit_code=NOT_FOUND)
        wanted.check(search.type)
        follow(client, search_id)
        wanted.give(client, search_id, search.type)


def cancel(search_id: _SearchId, *, url: Url = None) -> None:
    """Stop a search."""
    with open_client(url) as client:
        print(search_id, client.cancel(search_id).state)


def _ask(
    search_type: SearchType,
    query: dict[str, Any],
    wanted: Wanted,
    *,
    options: Mapping[str, str] | None,
    no_wait: bool,
    url: str | None,
) -> None:
    wanted.check(search_type)
    with open_client(url, timeout_s=_TIMEOUT_S) as client:
        with plainly(options):
            search_id = client.search(search_type, query)
        if no_wait:
            print(search_id)
            return
        print(search_id, file=sys.stderr)
        follow(client, search_id)
        wanted.give(client, search_id, search_type)


def follow(client: Client, search_id: str) -> None:
    """Show the parts that are done until all are.

    Raises:
        QueryEnded: the search failed, expired or was cancelled.
    """
    with progress() as bar:
        task = bar.add_task("searching", total=None)
        query, pause_s = client.get_image_query(search_id), _FIRST_POLL_S
        while not query.ended:
            if query.search is not None:
                bar.update(task, total=query.search.parts, completed=query.search.parts_done)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_POLL_S)
            query = client.get_image_query(search_id)
    if query.state != "answered":
        raise QueryEnded(query)


def _facts(query: Query) -> Iterable[tuple[str, str]]:
    yield "id", query.id
    yield "state", query.state
    if query.search is not None:
        yield "type", query.search.type
        parts = (
            "not planned yet" if query.search.parts is None else f"{query.search.parts_done} of {query.search.parts}"
        )
        yield "parts", parts
        if query.search.rows is not None:
            yield "results", str(query.search.rows)
    if query.error is not None:
        yield "error", f"{query.error.reason} {query.error.detail}".strip()


def _query(path: str | None, start: str | None, end: str | None, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the query of a file, or that of the options."""
    if path is not None:
        try:
            query = json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise CommandFailed(f"--query is not JSON: {error}", exit_code=USAGE) from None
        if not isinstance(query, dict):
            raise CommandFailed("--query must be a JSON object", exit_code=USAGE)
        return query
    if start is None or end is None:
        raise CommandFailed("give --start and --end, or --query", exit_code=USAGE)
    return {"start": start, "end": end, **asked}


def _options(source: str | None) -> Mapping[str, str]:
    return _OPTIONS if source is None else {**_OPTIONS, "data_sources": f"--source {source}"}


def _criteria(text: str) -> dict[str, Any]:
    parts = [[word.strip() for word in part.split(",") if word.strip()] for part in text.split("/")]
    if len(parts) > 3:
        raise CommandFailed(f"{text}: a block is {_SOURCE_HELP}", exit_code=USAGE)
    programs, platforms, instruments = [*parts, [], []][:3]
    return {"programs": programs, "platforms": platforms, "instrument_types": instruments}


def _location(text: str) -> dict[str, float]:
    try:
        lat, lon = (float(number) for number in text.split(","))
    except ValueError:
        raise CommandFailed(f"{text}: a place is LAT,LON in degrees", exit_code=USAGE) from None
    return {"lat": lat, "lon": lon}
