"""What the command shows: tables for people, one JSON document per line for programs, progress on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NoReturn

from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from contracts.http.queries import Query
from sightline.command.failures import printable

_WIDE = 100_000
_LONGEST_CELL = 60
QUERY_COLUMNS = ("ID", "STATE", "LABEL", "CONF.", "MS", "ASKED AT", "ANSWERED BY")


class _Output(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def print_json(resource: BaseModel, **more: Any) -> None:
    """Print a resource as one line of JSON, with `more` members in front."""
    document = {**more, **resource.model_dump(mode="json")}
    print(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, one line per row however narrow the terminal is; a program that reads it gets every cell whole."""
    longest = _LONGEST_CELL if sys.stdout.isatty() else None
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=longest)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    _Output(file=sys.stdout, width=_WIDE, highlight=False, markup=False).print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values of one thing, one per line."""
    rows = [(name, printable(value)) for name, value in facts]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}".rstrip())


def query_row(query: Query) -> tuple[str, ...]:
    """Return the cells of a query under QUERY_COLUMNS."""
    confidence = "" if query.confidence is None else f"{query.confidence:.3f}"
    milliseconds = "" if query.answered_in_ms is None else f"{query.answered_in_ms:.0f}"
    return (
        query.id,
        query.state,
        _answer_of(query),
        confidence,
        milliseconds,
        local_time(query.created_at),
        _by(query),
    )


def _answer_of(query: Query) -> str:
    """Return the label, or the text that was read."""
    text = query.answer.text if query.answer is not None else None
    return query.label if text is None else printable(text)


def print_queries(queries: Iterable[Query], *, as_json: bool) -> None:
    """Print queries as a table, or as JSON lines."""
    if as_json:
        for query in queries:
            print_json(query)
        return
    print_table(QUERY_COLUMNS, [query_row(query) for query in queries])


def short_digest(digest: str) -> str:
    """Return enough of a digest to tell models apart."""
    return digest[:12]


def local_time(time: datetime) -> str:
    """Return a time as the people at this machine read it, without the date if that is today's."""
    local = time.astimezone()
    today = local.date() == datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def progress() -> Progress:
    """Return a progress bar on standard error, which shows nothing where nobody watches."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
        # What is printed meanwhile goes above the bar on a terminal; redirected, it must stay on standard output.
        redirect_stdout=sys.stdout.isatty(),
    )


def _by(query: Query) -> str:
    failure = f"{query.error.reason} {query.error.detail}".strip() if query.error is not None else ""
    answer = query.answer
    if answer is None:
        return f"waits for a person ({query.held})" if query.held else failure
    if answer.source == "person":
        by = answer.answered_by or "a person"
    else:
        by = f"{answer.model.name} {short_digest(answer.model.digest)}" if answer.model else "a model"
    return f"{by}, after it had failed: {failure}" if failure else by
