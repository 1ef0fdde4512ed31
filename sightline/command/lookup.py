"""Looking queries up: get, wait, list, image."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from contracts.http.queries import Query
from contracts.v1.results import State
from sightline.async_client import AsyncClient
from sightline.command.failures import Tally, complain, exit_code_of
from sightline.command.many import for_each
from sightline.command.options import Ids, Json, Url, open_async_client, open_client, read_ids
from sightline.command.output import print_json, print_queries
from sightline.errors import QueryEnded, WaitTimeout
from sightline.queries import QueryFilters

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
_Work = Callable[[str], Awaitable[Query]]


def register(app: typer.Typer) -> None:
    """Add the subcommands."""
    app.command("get")(get)
    app.command("wait")(wait)
    app.command("list")(list_queries)
    app.command("image")(image)


def get(ids: Ids, *, as_json: Json = False, url: Url = None) -> None:
    """Look queries up as they are now. Exit code 3 when there is no such query."""
    client = open_async_client(url)
    _show_each(client, read_ids(ids), client.get_image_query, "looking up", as_json=as_json)


def wait(
    ids: Ids,
    *,
    confident: Annotated[bool, typer.Option("--confident", help="Wait until the answer is sure enough.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait, for all together.")] = 30.0,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Wait until queries are answered. Exit code 1 when one ended without an answer, 5 when the time is up."""
    client = open_async_client(url)
    deadline = time.monotonic() + timeout_s

    async def answered(query_id: str) -> Query:
        left_s = max(0.0, deadline - time.monotonic())
        if confident:
            return await client.wait_for_confident_result(query_id, left_s)
        return await client.wait_for_result(query_id, left_s)

    _show_each(client, read_ids(ids), answered, "waiting", as_json=as_json)


def list_queries(
    *,
    detector: Annotated[str | None, typer.Option("--detector", "-d", help="Name or ID of a detector.")] = None,
    state: Annotated[State | None, typer.Option(help="State of the machine's work.")] = None,
    label: Annotated[str | None, typer.Option(help="Label of the answer that counts.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that still wait for an answer.")] = False,
    created_from: Annotated[
        datetime | None, typer.Option("--from", formats=_TIMES, help="Asked at or after; local time if without a zone.")
    ] = None,
    created_until: Annotated[datetime | None, typer.Option("--until", formats=_TIMES, help="Asked before.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most to list.")] = 50,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List queries, newest first."""
    filters: QueryFilters = {}
    if detector is not None:
        filters["detector"] = detector
    if state is not None:
        filters["state"] = state
    if label is not None:
        filters["label"] = label
    if only_open:
        filters["open"] = True
    if created_from is not None:
        filters["created_from"] = created_from
    if created_until is not None:
        filters["created_until"] = created_until
    with open_client(url) as client:
        print_queries(client.list_image_queries(limit=limit, **filters), as_json=as_json)


def image(
    query_id: Annotated[str, typer.Argument(metavar="ID", help="ID of a query.")],
    *,
    output: Annotated[str, typer.Option("--output", "-o", help="File to write; - is standard output.")],
    url: Url = None,
) -> None:
    """Save the image of a query, as it was submitted."""
    with open_client(url) as client:
        data = client.image(query_id)
    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    Path(output).write_bytes(data)
    print(f"{output}: {len(data)} bytes", file=sys.stderr)


def _show_each(client: AsyncClient, ids: list[str], work: _Work, doing: str, *, as_json: bool) -> None:
    tally, rows = Tally(), list[Query]()

    def take(query_id: str, result: Query | Exception) -> None:
        query = _known(query_id, result, tally)
        if query is not None and as_json:
            print_json(query)
        elif query is not None:
            rows.append(query)

    async def show_all() -> None:
        async with client:
            await for_each(ids, work, take, doing)

    asyncio.run(show_all())
    if rows:
        print_queries(rows, as_json=False)
    tally.finish()


def _known(query_id: str, result: Query | Exception, tally: Tally) -> Query | None:
    """Return what there is to show of a query, and note what went wrong with it."""
    if isinstance(result, Query):
        return result
    tally.add(exit_code_of(result))
    if isinstance(result, (WaitTimeout, QueryEnded)):
        return result.query
    complain(result, query_id)
    return None
