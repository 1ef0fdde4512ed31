"""Capturing from a camera, a video, a stream or a folder, in the submitter's own loop."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Json, Url, part, translated
from sightline.transport import address_of


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("capture")(capture)


def capture(
    source: Annotated[
        str, typer.Argument(help="A camera's number, a video file, a folder to watch, an rtsp or https address.")
    ],
    *,
    detector: Annotated[str, typer.Option("--detector", "-d", help="Name or ID of the detector; with --bus its ID.")],
    interval_ms: Annotated[float, typer.Option(min=0, help="Milliseconds between two frames.")] = 1000.0,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Confidence that is enough.")] = None,
    save: Annotated[Path | None, typer.Option(help="File to add the IDs to, one per line.")] = None,
    bus: Annotated[str | None, typer.Option(help="Submit over this bus instead of HTTP.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Submit a frame every --interval-ms until the source ends or Ctrl-C; print each ID as soon as it is durable."""
    run_capture = part("services.submitter.capture_command", "submitter").run_capture
    part("services.kit.logging", "submitter").configure("WARNING", "console")
    try:
        address = None if bus is not None else address_of(url, None)
    except ValueError as error:
        raise CommandFailed(str(error), exit_code=USAGE) from None

    def tell(submitted: Any) -> None:
        if saved is not None:
            save_id(saved, submitted.query_id)
        if as_json:
            facts = {"id": submitted.query_id, "index": submitted.index}
            print(json.dumps(facts | {"captured_at": submitted.captured_at.isoformat()}), flush=True)
        else:
            print(submitted.query_id, flush=True)

    with opened_to_append(save) as saved, translated():
        accepted = asyncio.run(
            run_capture(
                source=source,
                detector=detector,
                url=address.url if address else None,
                token=address.token if address else None,
                bus=bus,
                interval_s=interval_ms / 1000,
                count=count,
                confidence_threshold=threshold,
                on_submitted=tell,
            )
        )
    print(f"{accepted} submitted", file=sys.stderr)


@contextmanager
def opened_to_append(path: Path | None) -> Iterator[IO[str] | None]:
    """Open a file of IDs, so that what is in it stays; None for no file."""
    if path is None:
        yield None
        return
    with path.open("a", encoding="utf-8") as file:
        yield file


def save_id(file: IO[str], line: str) -> None:
    """Add a line that a power cut does not take away: an ID that is lost is an answer that nobody finds."""
    file.write(f"{line}\n")
    file.flush()
    os.fsync(file.fileno())
