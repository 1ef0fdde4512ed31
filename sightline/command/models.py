"""Models: list, add, show, delete."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from contracts.http.models import Model
from sightline.client import Client
from sightline.command.failures import TIMED_OUT, CommandFailed
from sightline.command.options import Json, Url, Yes, confirm, open_client
from sightline.command.output import local_time, print_facts, print_json, print_table, short_digest
from sightline.models import CHECK_S

_Which = Annotated[str, typer.Argument(metavar="MODEL", help="Name or ID of a model.")]
_LOOK_EVERY_S = 0.5
_UPLOAD_S = 120.0


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="Models: ONNX files and the manifests that say how to feed and read them.")
    app.command("list")(list_models)
    app.command("add")(add)
    app.command("show")(show)
    app.command("delete")(delete)
    return app


def list_models(*, as_json: Json = False, url: Url = None) -> None:
    """List the models, newest first."""
    with open_client(url) as client:
        _print_all(client.models(), as_json=as_json)


def add(
    file: Annotated[Path, typer.Argument(help="ONNX file.")],
    *,
    manifest: Annotated[Path, typer.Option(help="JSON file: input, output and labels of the model.")],
    name: Annotated[str | None, typer.Option(help="Its name; without, that of the file.")] = None,
    description: Annotated[str, typer.Option(help="What it is.")] = "",
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Upload a model; the platform tries it before it takes it. Exit code 1 when it is rejected."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
    )
    with open_client(url, timeout_s=_UPLOAD_S) as client, bar:
        task = bar.add_task("uploading", total=file.stat().st_size)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, description="checking" if done == total else "uploading")

        model = client.upload_model(
            file, manifest=manifest, name=name or file.stem, description=description, progress=tell
        )
        model = _decided(client, model)
    _print_one(model, as_json=as_json)
    if model.status != "ready":
        raise CommandFailed(f"{model.name} was rejected: {model.reason or ''} {model.detail}")


def show(which: _Which, *, as_json: Json = False, url: Url = None) -> None:
    """Show one model."""
    with open_client(url) as client:
        _print_one(client.get_model(which), as_json=as_json)


def delete(which: _Which, *, yes: Yes = False, url: Url = None) -> None:
    """Remove a model that no detector uses."""
    confirm(f"Delete the model {which}?", yes=yes)
    with open_client(url) as client:
        client.delete_model(which)


def _decided(client: Client, model: Model) -> Model:
    """Return the model once the platform has tried it."""
    deadline = time.monotonic() + CHECK_S
    while model.status == "checking":
        if time.monotonic() > deadline:
            text = f"{model.name} is still being checked; `sightline models show {model.name}` says what became of it"
            raise CommandFailed(text, exit_code=TIMED_OUT)
        time.sleep(_LOOK_EVERY_S)
        model = client.get_model(model.id)
    return model


def _print_all(models: Iterable[Model], *, as_json: bool) -> None:
    if as_json:
        for model in models:
            print_json(model)
        return
    rows = [
        (m.name, m.id, m.status, ", ".join(m.manifest.output.labels), short_digest(m.digest), f"{m.size_bytes}")
        for m in models
    ]
    print_table(("NAME", "ID", "STATUS", "LABELS", "DIGEST", "BYTES"), rows)


def _print_one(model: Model, *, as_json: bool) -> None:
    if as_json:
        print_json(model)
        return
    source = model.manifest.input
    facts = [
        ("name", model.name),
        ("id", model.id),
        ("status", model.status if model.reason is None else f"{model.status}: {model.reason} {model.detail}"),
        ("labels", ", ".join(model.manifest.output.labels)),
        ("input", f"{source.width} x {source.height} {source.color} {source.layout} {source.dtype} {source.resize}"),
        ("digest", model.digest),
        ("size", f"{model.size_bytes} bytes"),
        ("description", model.description),
        ("changed", local_time(model.updated_at)),
    ]
    print_facts(facts)
