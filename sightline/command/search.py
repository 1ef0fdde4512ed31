"""Long searches over time and sources: ask, follow the parts, show the rows."""

import csv
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.http.queries import Query
from contracts.v1.search import SearchType
from sightline.client import Client
from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Json, Url, open_client
from sightline.command.output import print_facts, print_json, print_table, progress
from sightline.errors import QueryEnded
from sightline.searches import Row

_POLL_S = 0.3
_TIMEOUT_S = 60.0
"""Reading a large result takes longer than a person waits for anything else."""

_SOURCE_HELP = "PROGRAM[/PLATFORM[/INSTRUMENT]], alternatives with commas; once per block."
_Start = Annotated[str | None, typer.Option("--start", help="First moment, like 2020-01-01T00:00:00, in UTC.")]
_End = Annotated[str | None, typer.Option("--end", help="Last moment.")]
_File = Annotated[str | None, typer.Option("--query", help="File with the whole query as JSON; - is standard input.")]
_Csv = Annotated[bool, typer.Option("--csv", help="Rows as CSV.")]
_NoWait = Annotated[bool, typer.Option("--no-wait", help="Print the ID and return.")]
_SearchId = Annotated[str, typer.Argument(metavar="ID", help="ID of a search.")]


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="Long searches over time and data sources.")
    app.command("conjunctions")(conjunctions)
    app.command("ephemeris")(ephemeris)
    app.command("data-products")(data_products)
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
    _ask("conjunction", query, no_wait=no_wait, as_json=as_json, as_csv=as_csv, url=url)


def ephemeris(
    *,
    start: _Start = None,
    end: _End = None,
    source: Annotated[str | None, typer.Option("--source", help=_SOURCE_HELP)] = None,
    query_file: _File = None,
    no_wait: _NoWait = False,
    as_json: Json = False,
    as_csv: _Csv = False,
    url: Url = None,
) -> None:
    """Find where sources were, minute by minute."""
    query = _query(query_file, start, end, {"data_sources": _criteria(source or "")})
    _ask("ephemeris", query, no_wait=no_wait, as_json=as_json, as_csv=as_csv, url=url)


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
    url: Url = None,
) -> None:
    """Find what was made of the data of sources."""
    asked = {"data_sources": _criteria(source or ""), "data_product_type_filters": types or []}
    query = _query(query_file, start, end, asked)
    _ask("data_product", query, no_wait=no_wait, as_json=as_json, as_csv=as_csv, url=url)


def status(search_id: _SearchId, *, as_json: Json = False, url: Url = None) -> None:
    """Say how far a search is."""
    with open_client(url) as client:
        query = client.get_image_query(search_id)
    if as_json:
        print_json(query)
        return
    print_facts(_facts(query))


def get(search_id: _SearchId, *, as_json: Json = False, as_csv: _Csv = False, url: Url = None) -> None:
    """Wait for a search and show its rows."""
    with open_client(url, timeout_s=_TIMEOUT_S) as client:
        _follow(client, search_id)
        _show(client.search_rows(search_id), as_json=as_json, as_csv=as_csv)


def cancel(search_id: _SearchId, *, url: Url = None) -> None:
    """Stop a search."""
    with open_client(url) as client:
        print(search_id, client.cancel(search_id).state)


def _ask(
    search_type: SearchType, query: dict[str, Any], *, no_wait: bool, as_json: bool, as_csv: bool, url: str | None
) -> None:
    with open_client(url, timeout_s=_TIMEOUT_S) as client:
        search_id = client.search(search_type, query)
        if no_wait:
            print(search_id)
            return
        print(search_id, file=sys.stderr)
        _follow(client, search_id)
        _show(client.search_rows(search_id), as_json=as_json, as_csv=as_csv)


def _follow(client: Client, search_id: str) -> None:
    """Show the parts that are done until all are.

    Raises:
        QueryEnded: the search failed, expired or was cancelled.
    """
    with progress() as bar:
        task = bar.add_task("searching", total=None)
        query = client.get_image_query(search_id)
        while not query.ended:
            if query.search is not None:
                bar.update(task, total=query.search.parts, completed=query.search.parts_done)
            time.sleep(_POLL_S)
            query = client.get_image_query(search_id)
    if query.state != "answered":
        raise QueryEnded(query)


def _show(rows: Sequence[Row], *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
        return
    cells = [_cells(row) for row in rows]
    columns = list(cells[0]) if cells else []
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(list(row.values()) for row in cells)
        return
    if cells:
        print_table([column.upper() for column in columns], (list(row.values()) for row in cells))
    print(f"{len(rows)} results", file=sys.stderr)


def _cells(row: Row) -> dict[str, str]:
    """Return a row as flat text: sources by name, positions as two numbers, metadata as JSON."""
    if "data_sources" in row:
        return {
            "type": row["conjunction_type"],
            "start": row["start"],
            "end": row["end"],
            "min_km": f"{row['min_distance']:.3f}",
            "max_km": f"{row['max_distance']:.3f}",
            "closest": row["closest_epoch"],
            "sources": " + ".join(_name(source) for source in row["data_sources"]),
        }
    flat = {"source": _name(row["data_source"])}
    for key, value in row.items():
        if isinstance(value, dict) and set(value) == {"lat", "lon"}:
            flat[f"{key}_lat"], flat[f"{key}_lon"] = (_number(value[axis]) for axis in ("lat", "lon"))
        elif key != "data_source":
            flat[key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat


def _name(source: dict[str, Any]) -> str:
    return f"{source['program']}/{source['platform']}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


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
