"""Making ephemeris: of the sites of ground instruments, and of spacecraft from their elements."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightline.command.ephemeris_delivery import (
    Delivery,
    Target,
    deliver,
    extras,
    field_of,
    span_of,
    target_of,
    write_out,
)
from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Json, Url
from sightline.command.output import print_table

if TYPE_CHECKING:
    from sightline.ephemeris.sites import Site

_SitesFile = Annotated[
    Path | None, typer.Option("--sites", help="CSV: program, platform, instrument_type, code, lat, lon.")
]


def sites(*, sites_file: _SitesFile = None) -> None:
    """List the sites that are known, or those of a file."""
    with extras():
        from sightline.ephemeris.sites import PUBLISHED, read_sites

        found = read_sites(sites_file or PUBLISHED)
    rows = [
        (site.program, site.platform, site.instrument_type, site.code, f"{site.lat:g}", f"{site.lon:g}")
        for site in found
    ]
    print_table(("PROGRAM", "PLATFORM", "INSTRUMENT", "CODE", "LAT", "LON"), rows)


def generate(
    *,
    start: Annotated[str, typer.Option(help="First minute, like 2020-01-01T00:00, in UTC.")],
    end: Annotated[str, typer.Option(help="Last minute.")],
    site: Annotated[
        list[str] | None, typer.Option("--site", help="PROGRAM[/PLATFORM[/INSTRUMENT]] of a site; give it again.")
    ] = None,
    sites_file: _SitesFile = None,
    sun_below: Annotated[
        float, typer.Option(help="Sites record while the Sun is lower than so many degrees; 90 is always.")
    ] = -12.0,
    elements: Annotated[Path | None, typer.Option(help="File of two-line elements or OMM of a spacecraft.")] = None,
    satellite: Annotated[str | None, typer.Option(help="Its catalogue number, where the file has several.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Its data source: PROGRAM/PLATFORM/INSTRUMENT.")
    ] = None,
    field: Annotated[str, typer.Option(help="Field of its footprints: igrf, t89 or none.")] = "igrf",
    kp: Annotated[float, typer.Option(min=0, max=6, help="Activity for t89.")] = 2.0,
    max_age: Annotated[float, typer.Option(min=0, help="How old elements may be, in days.")] = 30.0,
    conjugate: Annotated[
        str, typer.Option(help="How the other end of a site's field line is found: aacgm, or igrf (SpacePy).")
    ] = "aacgm",
    create: Annotated[
        str | None, typer.Option(help="Make sources that are not there, of this type: ground, leo, heo, ...")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a file (.csv or .parquet) instead of storing it.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Make ephemeris, minute by minute, and put it into the platform; it is marked as synthetic.

    Either --site, for instruments on the ground, or --elements with --source, for one spacecraft; docs/ephemeris.md.
    """
    span = span_of(start, end)
    if bool(site) == bool(elements):
        raise CommandFailed("say either --site or --elements", exit_code=USAGE)
    common: dict[str, Any] = {"out": out, "as_json": as_json, "url": url}
    with extras():
        if elements is None:
            night = {"sun_below": None if sun_below >= 90 else sun_below, "by": _conjugate(conjugate)}
            _ground(_chosen(site or [], sites_file), span, options=night, create=create, **common)
        else:
            target = target_of(source, create, check=out is not None)
            options = {"field": field_of(field, kp), "most_age_days": max_age}
            _space(elements, satellite, span, target=target, options=options, **common)


def _chosen(wanted: list[str], sites_file: Path | None) -> "list[Site]":
    from sightline.ephemeris.sites import PUBLISHED, read_sites, select

    return select(read_sites(sites_file or PUBLISHED), wanted)


def _ground(
    chosen: "list[Site]",
    span: tuple[int, int],
    *,
    options: dict[str, Any],
    create: str | None,
    out: Path | None,
    as_json: bool,
    url: str | None,
) -> None:
    from sightline.ephemeris import ground

    dark = [site for site in chosen if ground.has_dark(site, *span, options["sun_below"])]
    if not dark:
        limit = f"the Sun is never lower than {options['sun_below']:g} degrees"
        raise CommandFailed(f"at no site is there anything to record: {limit} (--sun-below)")
    if out is not None and len(dark) > 1:
        raise CommandFailed(f"--out takes one site, and {len(dark)} are meant", exit_code=USAGE)
    if len(dark) < len(chosen):
        light = ", ".join(site.name for site in chosen if site not in dark)
        print(f"left out, the Sun is never low enough (--sun-below): {light}", file=sys.stderr)
    metadata = {"synthetic": True, "made_by": "sightline ephemeris generate", "other_trace": options["by"]}
    deliveries = [
        Delivery(
            stretches=ground.stretches(site, *span, **options),
            target=target_of(site.name, create, check=out is not None),
            name=site.name,
            facts={"frame": "GEO", "site": f"{site.name}, {site.lat:g} {site.lon:g}"},
            metadata=metadata,
        )
        for site in dark
    ]
    _put(deliveries, out=out, as_json=as_json, url=url)


def _space(
    path: Path,
    satellite: str | None,
    span: tuple[int, int],
    *,
    target: Target,
    options: dict[str, Any],
    out: Path | None,
    as_json: bool,
    url: str | None,
) -> None:
    from sightline.ephemeris import orbit
    from sightline.ephemeris.elements import read_elements

    sets = read_elements(path, satellite)
    rows = orbit.stretches(sets, *span, file=str(path), **options)
    field = options["field"]
    traces = "none" if field is None else f"{field.text}, to 100 km"
    facts = {"frame": "GEO", "satellite": f"{sets[0].number} {sets[0].name}", "footprints": traces}
    metadata = {"synthetic": True, "made_by": "sightline ephemeris generate", "orbit": "SGP4", "footprints": traces}
    one = Delivery(
        stretches=rows, target=target, name=str(path), facts=facts, metadata=metadata, total=span[1] - span[0]
    )
    _put([one], out=out, as_json=as_json, url=url)


def _put(deliveries: list[Delivery], *, out: Path | None, as_json: bool, url: str | None) -> None:
    if out is not None:
        write_out(deliveries[0], out, as_json=as_json)
        return
    deliver(deliveries, as_json=as_json, url=url)


def _conjugate(name: str) -> str:
    from sightline.ephemeris.ground import CONJUGATES

    if name.lower() not in CONJUGATES:
        raise CommandFailed(f"--conjugate is {' or '.join(CONJUGATES)}", exit_code=USAGE)
    return name.lower()
