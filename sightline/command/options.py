"""Options and arguments that several subcommands share."""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated, Any

import typer

from contracts.http.problems import PROBLEMS
from sightline.async_client import AsyncClient
from sightline.client import Client
from sightline.command.failures import USAGE, CommandFailed
from sightline.errors import NotFound, Refused, Unavailable

TIMEOUT_S = 10.0
"""How long a person waits for a platform that is away; programs use the client and its own default."""

Url = Annotated[
    str | None, typer.Option("--url", envvar="SIGHTLINE_URL", help="The platform's address.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document per line, for programs.")]
Ids = Annotated[list[str], typer.Argument(help="IDs of queries; - reads them from standard input, one per line.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def open_client(url: str | None, *, timeout_s: float = TIMEOUT_S) -> Client:
    """Return a client of the platform that the user means."""
    try:
        return Client(url, timeout_s=timeout_s)
    except ValueError as error:
        raise CommandFailed(str(error), exit_code=USAGE) from None


def open_async_client(url: str | None, *, timeout_s: float = TIMEOUT_S) -> AsyncClient:
    """Return an asynchronous client of the platform that the user means."""
    try:
        return AsyncClient(url, timeout_s=timeout_s)
    except ValueError as error:
        raise CommandFailed(str(error), exit_code=USAGE) from None


def read_ids(arguments: Sequence[str]) -> list[str]:
    """Return the IDs of the arguments; for `-` the first word of every line of standard input."""
    ids: list[str] = []
    for argument in arguments:
        if argument == "-":
            ids.extend(words[0] for line in sys.stdin if (words := line.split()) and not words[0].startswith("#"))
        else:
            ids.append(argument)
    if not ids:
        raise CommandFailed("no ID was given", exit_code=USAGE)
    return ids


def parse_metadata(text: str | None) -> Any:
    """Return the JSON of a `--metadata` option."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CommandFailed(f"--metadata is not JSON: {error}", exit_code=USAGE) from None


def only_given(values: Mapping[str, Any]) -> Any:
    """Return the options that the user gave, as the keyword arguments of a client's method."""
    return {name: value for name, value in values.items() if value is not None}


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost; where nobody can answer, `--yes` is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(f"{question} Say --yes to do it without being asked", exit_code=USAGE)
    if not typer.confirm(question, err=True):
        raise CommandFailed("nothing was done")


def part(name: str, extra: str) -> ModuleType:
    """Return a module of the platform, which the client alone installs without.

    Raises:
        CommandFailed: it, or a package it needs, is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = error.name or str(error)
        how = f"install the extra in Sightline's checkout: pip install -e '.[{extra}]'"
        raise CommandFailed(f"{missing} is not installed; {how}") from error


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of the platform's own code into those of the client, which have exit codes."""
    errors = part("services.kit.errors", "service")
    try:
        yield
    except errors.Refused as error:
        status = PROBLEMS[error.code].status if error.code in PROBLEMS else 422
        kind = NotFound if status in {404, 410} else Refused
        raise kind(error.code, error.detail, status=status) from error
    except errors.Unavailable as error:
        raise Unavailable(str(error)) from error
    except errors.PlatformError as error:
        raise CommandFailed(str(error)) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
