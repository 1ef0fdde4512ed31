"""How the command ends: exit codes for scripts, one line for people."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from sightline.errors import NotFound, SightlineError, Unavailable, WaitTimeout

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
UNAVAILABLE = 4
TIMED_OUT = 5
_BROKEN_PIPE = 141
"""128 + SIGPIPE, as the shell reports a program that its reader left."""

EXIT_CODES = """Exit codes: 0 done; 1 something failed or was refused; 2 wrong usage; 3 not found; 4 the platform is
unavailable; 5 the time to wait is up; 130 interrupted. Of several, the first of 4, 3, 1, 5 counts."""

_WORST_FIRST = (UNAVAILABLE, NOT_FOUND, FAILED, TIMED_OUT)


class CommandFailed(SightlineError):  # noqa: N818 - reads as what happened
    """The command cannot do what it was asked; the text is one line for a person."""

    def __init__(self, text: str, *, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Commands(TyperGroup):
    """The root of the command: turns errors into one line on standard error and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; whatever it wrote has left the process when this returns."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            raise typer.Exit(_BROKEN_PIPE) from None
        except (SightlineError, OSError) as error:
            complain(error)
            raise typer.Exit(exit_code_of(error)) from None
        return result


class Tally:
    """Counts what became of many things, for one exit code."""

    def __init__(self) -> None:
        self._codes: set[int] = set()

    def add(self, exit_code: int) -> None:
        """Note how one thing ended."""
        self._codes.add(exit_code)

    def finish(self) -> None:
        """End the command with the worst of what was noted; return if nothing was."""
        for exit_code in _WORST_FIRST:
            if exit_code in self._codes:
                raise typer.Exit(exit_code)


def exit_code_of(error: Exception) -> int:
    """Return the exit code of an error."""
    if isinstance(error, CommandFailed):
        return error.exit_code
    if isinstance(error, Unavailable):
        return UNAVAILABLE
    if isinstance(error, NotFound):
        return NOT_FOUND
    return TIMED_OUT if isinstance(error, WaitTimeout) else FAILED


def complain(error: Exception, about: str = "") -> None:
    """Say on standard error what went wrong, in one line."""
    if isinstance(error, OSError) and not isinstance(error, SightlineError):
        reason = error.strerror or str(error) or type(error).__name__
        text = f"{error.filename}: {reason}" if error.filename else reason
    else:
        text = str(error)
    if about and about not in text:
        text = f"{about}: {text}"
    print(f"sightline: {printable(text)}", file=sys.stderr)


def printable(text: str) -> str:
    """Return `text` as one line without control characters: it may come from anybody."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _drop_output() -> None:
    # The interpreter flushes standard output once more at exit; let it succeed.
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    except OSError:
        sys.stdout = None
    finally:
        os.close(null)
