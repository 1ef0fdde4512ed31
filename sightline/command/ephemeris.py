"""Ephemeris of one's own: read from files, checked whole, and put into a running platform."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sightline.command import ephemeris_delete, ephemeris_generate
from sightline.command.ephemeris_delivery import Delivery, Target, deliver, extras, field_of, named, span_of, target_of
from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Json, Url, only_given

if TYPE_CHECKING:
    from sightline.ephemeris.statement import Statement

_HELP = "Ephemeris: where sources were, minute by minute. In Sightline's checkout: pip install -e '.[ephemeris]'."
_SSCWEB = "sscweb:"
_Column = Annotated[
    list[str] | None,
    typer.Option("--column", help="What a column is: epoch=Time, lat=Latitude, metadata.state=State; give it again."),
]
_Source = Annotated[
    str | None, typer.Option("--source", help="The data source: PROGRAM/PLATFORM[/INSTRUMENT], or its identifier.")
]


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help=_HELP)
    app.command("import")(import_file)
    app.command("generate")(ephemeris_generate.generate)
    app.command("delete")(ephemeris_delete.delete)
    app.command("sites")(ephemeris_generate.sites)
    return app


def import_file(
    file: Annotated[Path, typer.Argument(help="A file of CSV or Parquet, or sscweb:SPACECRAFT, like sscweb:swarma.")],
    *,
    source: _Source = None,
    frame: Annotated[str | None, typer.Option(help="Of the positions: GEO, GEI, J2000, GSE, GSM or SM.")] = None,
    unit: Annotated[str | None, typer.Option(help="Of the positions: degrees, radians, km or m.")] = None,
    time_scale: Annotated[str | None, typer.Option(help="Of the times: UTC, TAI, GPS or TT.")] = None,
    time_format: Annotated[str | None, typer.Option(help="iso, or unix: seconds since 1970.")] = None,
    column: _Column = None,
    delimiter: Annotated[str | None, typer.Option(help="Between the columns of a CSV.")] = None,
    decimal: Annotated[str | None, typer.Option(help="The decimal mark of a CSV: . or ,")] = None,
    manifest: Annotated[Path | None, typer.Option(help="JSON file that says the same as these options.")] = None,
    field: Annotated[
        str, typer.Option(help="Trace footprints that the file does not have, in the field igrf or t89.")
    ] = "none",
    kp: Annotated[float, typer.Option(min=0, max=6, help="Activity for t89.")] = 2.0,
    off_minute: Annotated[str, typer.Option(help="Rows between minutes: refuse, drop or interpolate.")] = "refuse",
    max_step: Annotated[float, typer.Option(min=0, help="How many degrees a place may move in a minute.")] = 10.0,
    create: Annotated[
        str | None, typer.Option(help="Make the source when there is none, of this type: leo, heo, ground, ...")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Of sscweb:SPACECRAFT: first minute, in UTC.")] = None,
    end: Annotated[str | None, typer.Option(help="Of sscweb:SPACECRAFT: last minute.")] = None,
    sscweb_url: Annotated[str | None, typer.Option(help="Another address of SSCWeb.", hidden=True)] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is in the file; store nothing.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Read a file, check all of it, and only then put it into the platform. Done again it changes nothing.

    Frame, unit and time scale are never guessed: say them here, in a manifest, or in the file. See docs/ephemeris.md.
    """
    target = target_of(source, create, check=check)
    if str(file).startswith(_SSCWEB):
        _import_sscweb(str(file), start, end, target, sscweb_url=sscweb_url, as_json=as_json, url=url)
        return
    if start or end:
        raise CommandFailed(f"--start and --end are for {_SSCWEB}SPACECRAFT", exit_code=USAGE)
    options = {"frame": frame, "unit": unit, "time_scale": time_scale, "time_format": time_format}
    said = {**only_given(options), **only_given({"delimiter": _separator(delimiter), "decimal": decimal})}
    with extras():
        from sightline.ephemeris import files

        statement = _statement(said, column or (), manifest)
        if off_minute not in {"refuse", "drop", "interpolate"}:
            raise CommandFailed("--off-minute is refuse, drop or interpolate", exit_code=USAGE)
        with files.opened(file, statement) as opened:
            model = field_of(field, kp)
            layout = opened.layout
            if layout.source is not None:
                target = named(target, url)
            rows = files.stretches(opened, off_minute=cast("Any", off_minute), source=target.column_text, field=model)
            facts: dict[str, str] = {"frame": layout.frame, "unit": layout.unit, "time scale": layout.time_scale}
            traced = {} if model is None else {"footprints": f"{model.text}, to 100 km"}
            one = Delivery(
                stretches=rows,
                target=target,
                name=str(file),
                row_name=opened.row_name,
                facts={**facts, **traced},
                metadata=traced,
                most_step=max_step,
            )
            deliver([one], as_json=as_json, url=url)


def _import_sscweb(
    name: str,
    start: str | None,
    end: str | None,
    target: Target,
    *,
    sscweb_url: str | None,
    as_json: bool,
    url: str | None,
) -> None:
    if start is None or end is None:
        raise CommandFailed(f"{name} takes --start and --end", exit_code=USAGE)
    span = span_of(start, end)
    with extras("sscweb"):
        from sightline.ephemeris import sscweb

        rows = sscweb.stretches(name.removeprefix(_SSCWEB), *span, endpoint=sscweb_url)
        metadata = {"made_by": "sightline ephemeris import", "from": "NASA SSCWeb"}
        one = Delivery(
            stretches=rows,
            target=target,
            name=name,
            facts=sscweb.FACTS,
            metadata=metadata,
            total=span[1] - span[0],
        )
        deliver([one], as_json=as_json, url=url)


def _statement(said: dict[str, Any], columns: "list[str] | tuple[()]", manifest: Path | None) -> "Statement":
    from sightline.ephemeris.statement import checked, read_manifest

    named = {}
    for text in columns:
        field, equals, name = text.partition("=")
        if not equals:
            raise CommandFailed(f"--column {text}: it is WHAT=NAME, like lat=Latitude", exit_code=USAGE)
        named[field] = name
    statement = checked({**said, "columns": named}, "the options")
    return statement if manifest is None else statement.joined(read_manifest(manifest), str(manifest))


def _separator(text: str | None) -> str | None:
    return {"tab": "\t", "\\t": "\t"}.get(text, text) if text is not None else None
