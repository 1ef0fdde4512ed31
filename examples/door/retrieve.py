"""The retrieving machine: it has the platform's address and IDs of queries, and nothing else.

    python -m examples.door.retrieve URL < ids.txt

Looks every ID up as soon as it comes, which tells which are UNCLEAR still, then waits for those.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table

from sightline import UNCLEAR, Client, Query, QueryEnded, SightlineError, WaitTimeout

_WAIT_S = 30.0
_WIDTH = 100


def retrieve(client: Client, lines: TextIO, answers: Path | None) -> bool:
    """Look up and wait for the IDs that `lines` begin with; say whether every query was answered."""
    first = [client.get_image_query(line.split()[0]) for line in lines if line.strip()]
    pending = [query for query in first if query.answer is None]
    print(f"\nThe retrieving process looked each of {len(first)} IDs up as it came; still pending then: {len(pending)}")
    for query in pending:
        print(f"  {query.id}  {query.label}  ({query.state})")
    queries = [query if query.answer is not None else _wait(client, query) for query in first]
    if answers is not None:
        answers.write_text("".join(f"{query.model_dump_json()}\n" for query in queries), encoding="utf-8")
    _print_table(queries, {query.id for query in pending})
    return all(query.answer is not None and query.label != UNCLEAR for query in queries)


def _wait(client: Client, query: Query) -> Query:
    try:
        return client.wait_for_result(query, timeout_s=_WAIT_S)
    except (WaitTimeout, QueryEnded) as error:
        return error.query


def _print_table(queries: Iterable[Query], waited_for: set[str]) -> None:
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("ID", "AT FIRST", "LABEL"):
        table.add_column(column, no_wrap=True)
    for column in ("CONF.", "MS"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("MODEL", no_wrap=True)
    for query in queries:
        model = query.answer.model if query.answer else None
        table.add_row(
            query.id,
            UNCLEAR if query.id in waited_for else query.label,
            query.label,
            "" if query.confidence is None else f"{query.confidence:.3f}",
            "" if query.answered_in_ms is None else f"{query.answered_in_ms:.0f}",
            model.digest[:12] if model else query.state,
        )
    print()
    Console(file=sys.stdout, width=_WIDTH, highlight=False, markup=False).print(table)


def main() -> int:
    """Read the arguments, retrieve, return the exit code."""
    parser = argparse.ArgumentParser(description="Look queries up by their IDs, which come on standard input.")
    parser.add_argument("url", help="the platform's address")
    parser.add_argument("--answers", type=Path, help="file to write the answers to, one JSON document per line")
    arguments = parser.parse_args()
    try:
        with Client(arguments.url) as client:
            return 0 if retrieve(client, sys.stdin, arguments.answers) else 1
    except SightlineError as error:
        print(f"retrieve: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
