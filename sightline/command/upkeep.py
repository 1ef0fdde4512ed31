"""Changing queries: cancel, erase, label."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from sightline.command.failures import Tally, complain, exit_code_of
from sightline.command.options import Ids, Json, Url, Yes, confirm, open_client, read_ids
from sightline.command.output import print_queries
from sightline.errors import SightlineError, Unavailable


def register(app: typer.Typer) -> None:
    """Add the subcommands."""
    app.command("cancel")(cancel)
    app.command("erase")(erase)
    app.command("label")(label)


def cancel(ids: Ids, *, url: Url = None) -> None:
    """Stop queries; print each with its state. Exit code 1 when one has ended already."""
    with open_client(url) as client:
        _each(read_ids(ids), lambda query_id: client.cancel(query_id).state)


def erase(ids: Ids, *, yes: Yes = False, url: Url = None) -> None:
    """Remove queries and their images for good."""
    wanted = read_ids(ids)
    confirm(f"Erase {len(wanted)} queries with their images?", yes=yes)

    def erase_one(query_id: str) -> str:
        client.erase(query_id)
        return "erased"

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


def _each(ids: Sequence[str], work: Callable[[str], str]) -> None:
    tally = Tally()
    for query_id in ids:
        try:
            print(query_id, work(query_id), flush=True)
        except Unavailable:
            raise
        except SightlineError as error:
            complain(error, query_id)
            tally.add(exit_code_of(error))
    tally.finish()
