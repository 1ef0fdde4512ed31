"""API tokens: create, list, revoke."""

import sys
from typing import Annotated

import typer

from contracts.http.tokens import SCOPES
from sightline.command.options import Json, Url, open_client
from sightline.command.output import local_time, print_json, print_table


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="API tokens. Creating and revoking them needs the scope admin.")
    app.command("create")(create)
    app.command("list")(list_tokens)
    app.command("revoke")(revoke)
    return app


def create(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    *,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help=f"What it allows; repeat it. Without: {', '.join(SCOPES[:-1])}."),
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Make a token and print it. It is shown this once."""
    with open_client(url) as client:
        token = client.create_token(name, scopes or None)
    if as_json:
        print_json(token)
        return
    print(token.token)
    print(f"Keep it: it is not shown again. It allows {', '.join(token.scopes)}.", file=sys.stderr)


def list_tokens(*, as_json: Json = False, url: Url = None) -> None:
    """List the tokens, newest first, without their secrets."""
    with open_client(url) as client:
        if as_json:
            for token in client.tokens():
                print_json(token)
            return
        rows = [
            (t.key_id, t.name, ", ".join(t.scopes), local_time(t.created_at), "revoked" if t.revoked else "")
            for t in client.tokens()
        ]
    print_table(("KEY ID", "NAME", "SCOPES", "CREATED", ""), rows)


def revoke(key_id: Annotated[str, typer.Argument(help="Key ID of the token, as listed.")], *, url: Url = None) -> None:
    """End a token; effective within seconds."""
    with open_client(url) as client:
        client.revoke_token(key_id)
