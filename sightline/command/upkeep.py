"""Changing queries: cancel, erase, label."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from sightline.command.failures import Tally, complain, exit_code_of
from sightline.command.options import Ids, Json, Url, Yes, confirm, open_client, read_ids
from sightline.command.output import print_json, print_queries
from sightline.errors import SightlineError, Unavailable


def register(app: typer.Typer) -> None:
    """Add the subcommands."""
    app.command("cancel")(cancel)
    app.command("erase")(erase)
    app.command("label")(label)


def cancel(ids: Ids, *, as_json: Json = False, url: Url = None) -> None:
    """Stop queries; print each with its state. Exit code 1 when one has ended already."""

    def cancel_one(query_id: str) -> None:
        query = client.cancel(query_id)
        if as_json:
            print_json(query)
        else:
            print(query_id, query.state)

    with open_client(url) as client:
        _each(read_ids(ids), cancel_one)


def erase(ids: Ids, *, yes: Yes = False, url: Url = None) -> None:
    """Remove queries and their images for good."""
    wanted = read_ids(ids)
    confirm(f"Erase {len(wanted)} queries with their images?", yes=yes)

    def erase_one(query_id: str) -> None:
        print(query_id, "erased" if client.erase(query_id) else "accepted, and not erased yet", flush=True)

    with open_client(url) as client:
        _each(wanted, erase_one)


def label(
    query_id: Annotated[str, typer.Argument(metavar="ID", help="ID of a query.")],
    answer: Annotated[str, typer.Argument(metavar="LABEL", help="One of the detector's labels, or UNCLEAR.")],
    *,
    confidence: Annotated[float, typer.Option(min=0, max=1, help="How sure you are.")] = 1.0,
    labelled_by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Answer a query as a person; it outranks every model's answer."""
    with open_client(url) as client:
        query = client.label(query_id, answer, confidence=confidence, labelled_by=labelled_by)
    print_queries([query], as_json=as_json)


def _each(ids: Sequence[str], work: Callable[[str], None]) -> None:
    tally = Tally()
    for query_id in ids:
        try:
            work(query_id)
            sys.stdout.flush()
        except Unavailable:
            raise
        except SightlineError as error:
            complain(error, query_id)
            tally.add(exit_code_of(error))
    tally.finish()
