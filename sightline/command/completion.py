"""Shell completion, written out for the shell that is named."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import shell_complete


class Shell(StrEnum):
    """A shell that completion is made for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("completion")(completion)


def completion(
    context: typer.Context, shell: Annotated[Shell, typer.Argument(help="The shell to complete in.")]
) -> None:
    """Print the completion script of a shell, e.g. `source <(sightline completion bash)` in ~/.bashrc."""
    # Typer's own --show-completion guesses the shell from the parent processes; under make, cron or a package's build
    # there is none to be found.
    raise typer.Exit(
        shell_complete(context.find_root().command, {}, "sightline", "_SIGHTLINE_COMPLETE", f"source_{shell}")
    )
