"""Detectors: list, create, show, update, bind, delete."""

import json
from collections.abc import Iterable
from typing import Annotated

import typer

from contracts.http.detectors import Detector, Mode
from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Json, Url, Yes, confirm, only_given, open_client, parse_metadata
from sightline.command.output import local_time, print_facts, print_json, print_table
from sightline.detectors import DetectorChanges, DetectorOptions

_Which = Annotated[str, typer.Argument(metavar="DETECTOR", help="Name or ID of a detector.")]
_Threshold = Annotated[float | None, typer.Option("--threshold", min=0, max=1, help="Confidence that is enough.")]
_Patience = Annotated[float | None, typer.Option("--patience", min=0, help="Seconds that askers are ready to wait.")]
_Lane = Annotated[str | None, typer.Option(help="Which workers answer.")]
_Metadata = Annotated[str | None, typer.Option(help="JSON to keep with it.")]


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="Detectors: a question, its possible answers, and the model that answers it.")
    app.command("list")(list_detectors)
    app.command("create")(create)
    app.command("show")(show)
    app.command("update")(update)
    app.command("bind")(bind)
    app.command("delete")(delete)
    return app


def list_detectors(*, as_json: Json = False, url: Url = None) -> None:
    """List the detectors, newest first."""
    with open_client(url) as client:
        _print_all(client.detectors(), as_json=as_json)


def create(
    name: Annotated[str, typer.Argument(help="A name of your own.")],
    question: Annotated[str, typer.Argument(help='What to ask, e.g. "Is the door open?"')],
    *,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="A possible answer; repeat it. Without: NO and YES.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="What an answer is. Without: one of the labels.", show_default=False)
    ] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="What is counted or boxed.")] = None,
    max_objects: Annotated[int | None, typer.Option("--max", min=1, max=50, help="Most that are told apart.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to answer it; without, people do.")] = None,
    threshold: _Threshold = None,
    patience_s: _Patience = None,
    lane: _Lane = None,
    metadata: _Metadata = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Make a detector."""
    given = {
        "labels": labels or None,
        "mode": mode or ("multiclass" if labels else None),
        "class_name": class_name,
        "max_objects": max_objects,
        "model": model,
        "confidence_threshold": threshold,
        "patience_s": patience_s,
        "lane": lane,
        "metadata": parse_metadata(metadata),
    }
    options: DetectorOptions = only_given(given)
    with open_client(url) as client:
        _print_one(client.create_detector(name, question, **options), as_json=as_json)


def show(which: _Which, *, as_json: Json = False, url: Url = None) -> None:
    """Show one detector."""
    with open_client(url) as client:
        _print_one(client.get_detector(which), as_json=as_json)


def update(
    which: _Which,
    *,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    question: Annotated[str | None, typer.Option(help="New question.")] = None,
    threshold: _Threshold = None,
    patience_s: _Patience = None,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="One that is off takes no queries.")] = None,
    lane: _Lane = None,
    metadata: _Metadata = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Change a detector; what is not given stays."""
    given = {
        "name": name,
        "query": question,
        "confidence_threshold": threshold,
        "patience_s": patience_s,
        "enabled": enabled,
        "lane": lane,
        "metadata": parse_metadata(metadata),
    }
    changes: DetectorChanges = only_given(given)
    if not changes:
        raise CommandFailed("nothing to change was given", exit_code=USAGE)
    with open_client(url) as client:
        _print_one(client.update_detector(which, **changes), as_json=as_json)


def bind(
    which: _Which,
    model: Annotated[str | None, typer.Argument(help="Name or ID of a model.")] = None,
    *,
    nobody: Annotated[bool, typer.Option("--none", help="No model: people answer.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Let a model answer the detector's queries from now on."""
    if (model is None) != nobody:
        raise CommandFailed("give a model, or --none", exit_code=USAGE)
    with open_client(url) as client:
        _print_one(client.bind_model(which, model), as_json=as_json)


def delete(which: _Which, *, yes: Yes = False, url: Url = None) -> None:
    """Remove a detector; its queries stay."""
    confirm(f"Delete the detector {which}?", yes=yes)
    with open_client(url) as client:
        client.delete_detector(which)


def _print_all(detectors: Iterable[Detector], *, as_json: bool) -> None:
    if as_json:
        for detector in detectors:
            print_json(detector)
        return
    rows = [
        (d.name, d.id, d.query, ", ".join(d.labels), f"{d.confidence_threshold:g}", d.model or "people")
        for d in detectors
    ]
    print_table(("NAME", "ID", "QUESTION", "LABELS", "THRESHOLD", "ANSWERED BY"), rows)


def _print_one(detector: Detector, *, as_json: bool) -> None:
    if as_json:
        print_json(detector)
        return
    facts = [
        ("name", detector.name),
        ("id", detector.id),
        ("question", detector.query),
        ("mode", detector.mode + (f" of {detector.class_name}" if detector.class_name else "")),
        ("labels", ", ".join(detector.labels)),
        ("threshold", f"{detector.confidence_threshold:g}"),
        ("patience", f"{detector.patience_s:g} s"),
        ("answered by", detector.model or "people"),
        ("lane", detector.lane),
        ("changed", local_time(detector.updated_at)),
    ]
    if not detector.enabled:
        facts.append(("off", "it takes no queries; --on switches it on"))
    if detector.metadata is not None:
        facts.append(("metadata", json.dumps(detector.metadata, ensure_ascii=False)))
    print_facts(facts)
