"""Submitting image files."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from contracts.http.queries import Query
from sightline.async_client import AsyncClient
from sightline.command.failures import USAGE, CommandFailed, Tally, complain, exit_code_of
from sightline.command.many import for_each
from sightline.command.options import Json, Url, only_given, open_async_client, parse_metadata
from sightline.command.output import print_json, print_queries
from sightline.errors import QueryEnded, WaitTimeout
from sightline.queries import AskOptions, WaitFor


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("submit")(submit)


def submit(
    images: Annotated[list[Path], typer.Argument(help="Image files.", metavar="IMAGE")],
    *,
    detector: Annotated[str, typer.Option("--detector", "-d", help="Name or ID of the detector.")],
    wait_s: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the answers.")] = 0.0,
    wait_for: Annotated[WaitFor, typer.Option(help="What to wait for.")] = "answer",
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Confidence that is enough.")] = None,
    expires_in_s: Annotated[
        float | None, typer.Option("--expires-in", min=0, help="Seconds after which no work on it begins.")
    ] = None,
    metadata: Annotated[str | None, typer.Option(help="JSON to keep with each query.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key, to repeat a submission whose outcome is unknown.")
    ] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to go on trying.")] = 10.0,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Ask the detector's question about each image; print the IDs, one per line, in the order of the images.

    With --wait, print the answers instead: exit code 5 when some are still out.
    """
    if key is not None and len(images) > 1:
        raise CommandFailed("--key is for one image: two images cannot be one query", exit_code=USAGE)
    given = {
        "confidence_threshold": threshold,
        "expires_in_s": expires_in_s,
        "metadata": parse_metadata(metadata),
        "idempotency_key": key,
    }
    options: AskOptions = only_given(given)

    async def ask(image: Path) -> Query:
        if wait_s == 0:
            return await client.ask_async(detector, image, **options)
        return await client.ask(detector, image, wait_s=wait_s, wait_for=wait_for, **options)

    client = open_async_client(url, timeout_s=timeout_s)
    tally = Tally()
    show = print_json if as_json else None if wait_s else _print_id
    asyncio.run(_ask_all(client, images, ask, tally, show))
    tally.finish()


def _print_id(query: Query, **_more: str) -> None:
    print(query.id, flush=True)


async def _ask_all(
    client: AsyncClient,
    images: list[Path],
    ask: Callable[[Path], Awaitable[Query]],
    tally: Tally,
    show: Callable[..., None] | None,
) -> None:
    """Submit every image and show each query as it comes, or all in a table at the end."""
    rows: list[Query] = []

    def take(image: Path, result: Query | Exception) -> None:
        query = _query_in(image, result, tally)
        if query is not None and show is not None:
            show(query, file=str(image))
        elif query is not None:
            rows.append(query)

    async with client:
        await for_each(images, ask, take, "submitting")
    if rows:
        print_queries(rows, as_json=False)


def _query_in(image: Path, result: Query | Exception, tally: Tally) -> Query | None:
    """Return the query that came of an image, and note what went wrong with it."""
    if isinstance(result, Query):
        return result
    tally.add(exit_code_of(result))
    if isinstance(result, (WaitTimeout, QueryEnded)):
        return result.query
    complain(result, str(image))
    return None
