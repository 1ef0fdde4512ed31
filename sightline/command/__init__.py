"""The `sightline` command."""

import io
import sys

from sightline.command.app import create_app


def main() -> None:
    """Run the command with the process's arguments and exit."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)  # no byte that comes in and no locale is a reason to crash
    create_app()(prog_name="sightline")
