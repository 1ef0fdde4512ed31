"""Dead letters: what was given up, why, and what to do about it."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from contracts.http.dead_letters import DeadLetterDetail
from sightline.async_client import AsyncClient
from sightline.command.failures import UNAVAILABLE, USAGE, CommandFailed, Tally, complain, exit_code_of
from sightline.command.many import for_each
from sightline.command.options import (
    Json,
    Url,
    Yes,
    confirm,
    only_given,
    open_async_client,
    open_client,
    read_ids,
)
from sightline.command.output import local_time, print_facts, print_json, print_table
from sightline.dead_letters import LetterFilters
from sightline.errors import NotFound

_Queue = Annotated[str | None, typer.Option("--queue", help="Only those that this queue gave up.")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Only those given up for this reason.")]
_Query = Annotated[str | None, typer.Option("--query", help="Only those about the query of this ID.")]
_Tenant = Annotated[str | None, typer.Option("--tenant", help="Only this one's; for the operator, '' for nobody's.")]
_Letter = Annotated[str, typer.Argument(metavar="ID", help="ID of a dead letter, as listed.")]
_Letters = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="IDs of dead letters; - reads them from standard input, one per line."),
]
_All = Annotated[bool, typer.Option("--all", help="All that the filters admit.")]

_COLUMNS = ("ID", "DIED AT", "QUEUE", "REASON", "TRIES", "AGAIN", "BYTES", "QUERY", "DETAIL")
_GONE = "gone"
_ACCEPTED = "accepted"
_LATER = (
    "accepted, and not done yet: the result store does it when it is back; until then `sightline dead list` shows it"
)


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="Messages that were given up (dead letters). They need the scope admin.")
    app.command("list")(list_letters)
    app.command("show")(show)
    app.command("requeue")(requeue)
    app.command("drop")(drop)
    return app


def list_letters(
    *,
    queue: _Queue = None,
    reason: _Reason = None,
    query_id: _Query = None,
    tenant: _Tenant = None,
    limit: Annotated[int, typer.Option(min=1, help="Most to list.")] = 50,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List dead letters, newest first."""
    with open_client(url) as client:
        letters = client.dead_letters(limit=limit, **_filters(queue, reason, query_id, tenant))
        if as_json:
            for letter in letters:
                print_json(letter)
            return
        rows = [
            (
                letter.id,
                local_time(letter.died_at),
                letter.queue,
                letter.reason,
                str(letter.attempts),
                str(letter.requeues or ""),
                str(letter.size_bytes),
                letter.query_id or "",
                letter.detail,
            )
            for letter in letters
        ]
    print_table(_COLUMNS, rows)


def show(
    letter_id: _Letter,
    *,
    picture: Annotated[Path | None, typer.Option(help="File to save the picture to.", show_default=False)] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show a dead letter with headers and payload, and save its picture."""
    with open_client(url) as client:
        letter = client.get_dead_letter(letter_id)
        if as_json:
            print_json(letter)
        else:
            _print_letter(letter)
        if picture is not None:
            data = client.dead_letter_image(letter)
            picture.write_bytes(data)
            print(f"{picture}: {len(data)} bytes", file=sys.stderr)


def requeue(
    ids: _Letters = None,
    *,
    everything: _All = False,
    queue: _Queue = None,
    reason: _Reason = None,
    query_id: _Query = None,
    tenant: _Tenant = None,
    yes: Yes = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Publish the messages of dead letters again. Doing it twice is harmless: what is gone is said to be gone.

    A query that has failed stays failed, since it ends once; the answer is added to it and counts.
    """
    client = open_async_client(url)

    async def one(letter_id: str) -> str:
        return "requeued" if await client.requeue_dead_letter(letter_id) else _ACCEPTED

    wanted = _Wanted(ids, _filters(queue, reason, query_id, tenant), everything=everything)
    question = "Publish {count} messages again?" if everything else ""
    _decide(client, wanted, one, "requeueing", question, yes=yes, as_json=as_json)


def drop(
    ids: _Letters = None,
    *,
    everything: _All = False,
    queue: _Queue = None,
    reason: _Reason = None,
    query_id: _Query = None,
    tenant: _Tenant = None,
    yes: Yes = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Forget dead letters for good. The queries that they are about stay as they are."""
    client = open_async_client(url)

    async def one(letter_id: str) -> str:
        return "dropped" if await client.drop_dead_letter(letter_id) else _ACCEPTED

    wanted = _Wanted(ids, _filters(queue, reason, query_id, tenant), everything=everything)
    _decide(client, wanted, one, "dropping", "Forget {count} messages for good?", yes=yes, as_json=as_json)


class _Wanted:
    """Which letters the user means: those named, or with --all those that the filters admit."""

    def __init__(self, ids: Sequence[str] | None, filters: LetterFilters, *, everything: bool) -> None:
        if everything == bool(ids):
            raise CommandFailed("name dead letters by ID, or say --all", exit_code=USAGE)
        if filters and not everything:
            raise CommandFailed("filters go with --all, not with IDs", exit_code=USAGE)
        self._everything = everything
        self._ids = [] if ids is None else read_ids(ids)
        self._filters = filters

    async def find(self, client: AsyncClient) -> list[str]:
        """Return their IDs, all before anything is done: pages shift under a list from which letters disappear."""
        if not self._everything:
            return self._ids
        return [letter.id async for letter in client.dead_letters(**self._filters)]


def _decide(
    client: AsyncClient,
    wanted: _Wanted,
    work: Callable[[str], Awaitable[str]],
    doing: str,
    question: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Do it to each letter, after the `question` if there is one, and print what became of it.

    One that is gone is none for a script to stumble over.
    """
    tally = Tally()

    async def settle(letter_id: str) -> str:
        try:
            return await work(letter_id)
        except NotFound as error:
            if error.code != "dead_letter_not_found":
                raise
            return _GONE

    def take(letter_id: str, result: str | Exception) -> None:
        if isinstance(result, Exception):
            tally.add(exit_code_of(result))
            complain(result, letter_id)
        else:
            print(json.dumps({"id": letter_id, "outcome": result}) if as_json else f"{letter_id} {result}", flush=True)
            if result == _ACCEPTED:
                tally.add(UNAVAILABLE)
                complain(CommandFailed(_LATER), letter_id)

    async def decide_all() -> None:
        async with client:
            ids = await wanted.find(client)
            if question and ids:
                confirm(question.format(count=len(ids)), yes=yes)
            await for_each(ids, settle, take, doing)

    asyncio.run(decide_all())
    tally.finish()


def _filters(queue: str | None, reason: str | None, query_id: str | None, tenant: str | None) -> LetterFilters:
    given = {"queue": queue, "reason": reason, "query_id": query_id, "tenant": tenant}
    filters: LetterFilters = only_given(given)
    return filters


def _print_letter(letter: DeadLetterDetail) -> None:
    image = letter.image
    where = "in the message" if image is not None and image.inline else "in the store"
    facts = [
        ("id", letter.id),
        ("tenant", letter.tenant or "(none that it may speak for)"),
        ("query", letter.query_id or ""),
        ("died at", local_time(letter.died_at)),
        ("queue", letter.queue),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("attempts", str(letter.attempts)),
        ("requeued", f"{letter.requeues} times" if letter.requeues else "never"),
        ("routing key", letter.routing_key),
        ("content", f"{letter.content_type}, {letter.size_bytes} bytes"),
        ("picture", f"{image.media_type}, {image.size_bytes} bytes, {where}" if image else "none"),
        *((f"  {name}", value) for name, value in sorted(letter.headers.items())),
        ("payload", "it cannot be read" if letter.payload is None else json.dumps(letter.payload, ensure_ascii=False)),
    ]
    print_facts(facts)
