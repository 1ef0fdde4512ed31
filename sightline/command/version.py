"""Which version this is."""

from importlib.metadata import version as version_of
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("version")(version)


def version() -> None:
    """Print the version."""
    print(f"sightline {version_of('sightline')}")


def root(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=lambda given: _show(given=given), help="Print the version."),
    ] = False,
) -> None:
    """Take the options of the command itself."""
    del show_version


def _show(*, given: bool) -> None:
    if given:
        version()
        raise typer.Exit
