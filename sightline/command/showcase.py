"""The demo, started by name."""

from pathlib import Path
from typing import Annotated

import typer

from sightline.command.options import part


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("demo")(demo)


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up afterwards, until Ctrl-C, and say what to try.")
    ] = False,
    interval_ms: Annotated[int, typer.Option(min=1, help="Milliseconds of video between two frames.")] = 250,
    output: Annotated[Path, typer.Option(help="Folder for the IDs and the pictures.")] = Path("demo-output"),
    bus: Annotated[str | None, typer.Option(help="Address of a bus, instead of an embedded one.")] = None,
    store: Annotated[str | None, typer.Option(help="Address of a store, instead of an embedded one.")] = None,
) -> None:
    """Run the main job on a video of a door, then a long search, and show what came of them.

    Starts a platform of its own, submits frames as a camera would, and looks every answer up by its ID from another
    process. Then it asks, checks, waits for and gets a search over time. Exit code 0 when every query was answered, at
    least 95 % of the answers are right and the search found something.
    """
    door = part("examples.door.demo", "embedded")
    exit_code = door.run(keep=keep, interval_ms=interval_ms, output=output, bus=bus, store=store)
    raise typer.Exit(exit_code)
