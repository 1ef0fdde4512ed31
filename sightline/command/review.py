"""Walking a person through the queries that wait for one."""

import mimetypes
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from contracts.http.detectors import Detector
from contracts.http.queries import UNCLEAR, Query
from sightline.client import Client
from sightline.command.failures import CommandFailed, complain, printable
from sightline.command.options import Url, open_client
from sightline.errors import NotFound, SightlineError, Unavailable
from sightline.queries import QueryFilters

_FREE = frozenset({"count", "text"})
"""Modes whose answers are typed as they are: the service says when one is wrong."""


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("review")(review)


def review(
    *,
    detector: Annotated[str | None, typer.Option("--detector", "-d", help="Only this one's queries.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most queries to go through.")] = 100,
    open_viewer: Annotated[bool, typer.Option("--open", help="Show each image in this machine's viewer.")] = False,
    labelled_by: Annotated[str, typer.Option("--by", help="Who answers.")] = "",
    url: Url = None,
) -> None:
    """Go through the queries that nobody has answered, and answer them.

    For each one type the number of a label, or enough of its letters; s skips it, q quits. Without a terminal the
    answers are read from standard input, one line for each image, and its end quits. A line that is no answer leaves
    its image as it is.
    """
    filters: QueryFilters = {"open": True}
    if detector is not None:
        filters["detector"] = detector
    with open_client(url) as client, tempfile.TemporaryDirectory(prefix="sightline-review-") as folder:
        session = _Session(client, Path(folder), labelled_by=labelled_by, open_viewer=open_viewer)
        # All of them first: pages shift under a list from which answered ones disappear.
        waiting = list(client.list_image_queries(limit=limit, **filters))
        for number, query in enumerate(waiting, start=1):
            if not session.go_through(query, f"{number} of {len(waiting)}"):
                break
    print(f"{session.labelled} labelled, {len(waiting) - session.labelled} left")
    if session.refused:
        raise CommandFailed(f"{session.refused} lines were no answers to their images, which are as they were")


@dataclass
class _Session:
    client: Client
    folder: Path
    labelled_by: str
    open_viewer: bool
    labelled: int = 0
    refused: int = 0
    _detectors: dict[str, Detector | None] = field(default_factory=dict)

    def go_through(self, query: Query, place: str) -> bool:
        """Show one query and take its answer; False when the person wants to stop."""
        detector = self._detector(query)
        labels = (*(detector.labels if detector else ()), UNCLEAR)
        free = detector is not None and detector.mode in _FREE
        self._show(query, detector, place)
        while True:
            typed = _ask(_choices(labels, free=free))
            if typed is None or typed == "q":
                return False
            if typed == "s":
                return True
            label = typed if free else match(typed, labels)
            if label is None:
                _say(f"  {typed!r} is none of them, or more than one")
            elif self._label(query, label):
                return True
            if not sys.stdin.isatty():  # the next line is for the next image
                self.refused += 1
                return True

    def _label(self, query: Query, label: str) -> bool:
        try:
            self.client.label(query, label, labelled_by=self.labelled_by)
        except Unavailable:
            raise
        except SightlineError as error:
            complain(error, query.id)
            # Erased meanwhile: go on to the next. A wrong answer: ask again, nothing is labelled.
            return isinstance(error, NotFound)
        self.labelled += 1
        print(query.id, label, flush=True)
        return True

    def _show(self, query: Query, detector: Detector | None, place: str) -> None:
        age_s = (datetime.now(UTC) - query.created_at).total_seconds()
        question = detector.query if detector else "(the detector is gone)"
        _say(f"\n{place}: {printable(question)}")
        _say(f"  {query.id}, asked {_duration(age_s)} ago" + (f", {query.held}" if query.held else ""))
        try:
            data = self.client.image(query)
        except NotFound:
            _say("  the image is not there any more")
            return
        media_type = query.image.media_type if query.image else ""
        path = self.folder / f"{query.id}{mimetypes.guess_extension(media_type) or ''}"
        path.write_bytes(data)
        _say(f"  {path}")
        if self.open_viewer:
            typer.launch(str(path))

    def _detector(self, query: Query) -> Detector | None:
        key = query.detector_id
        if key is None:
            return None
        if key not in self._detectors:
            try:
                self._detectors[key] = self.client.get_detector(key)
            except NotFound:
                self._detectors[key] = None
        return self._detectors[key]


def match(typed: str, labels: tuple[str, ...]) -> str | None:
    """Return the label that a number (from 1), a whole name, or the only possible beginning of one stands for."""
    if typed.isdecimal() and typed not in labels:
        number = int(typed)
        return labels[number - 1] if 1 <= number <= len(labels) else None
    folded = typed.casefold()
    whole = [label for label in labels if label.casefold() == folded]
    begun = [label for label in labels if label.casefold().startswith(folded)]
    for found in (whole, begun):
        if len(found) == 1:
            return found[0]
    return None


def _choices(labels: tuple[str, ...], *, free: bool) -> str:
    if free:
        return f"type the answer, or {UNCLEAR}"
    return "  ".join(f"{number}={printable(label)}" for number, label in enumerate(labels, start=1))


def _ask(choices: str) -> str | None:
    """Read one answer, stripped and not empty; None at the end of the input."""
    while True:
        print(f"  {choices}  s=skip  q=quit: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not sys.stdin.isatty():
            _say(line.rstrip("\n"))  # what a terminal would have echoed
        if not line:
            return None
        if line.strip():
            return line.strip()


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} seconds"
