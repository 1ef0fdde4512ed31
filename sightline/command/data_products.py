"""Data products of one's own: files that somebody made of a source's data, put into the platform and deleted."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from contracts.http.aurorax import SourceInfo
from contracts.http.source_records import DataProductUpload
from sightline.client import Client
from sightline.command.data_product_files import read_products
from sightline.command.ephemeris_delete import TIMEOUT_S, Source, moments_of, name_of
from sightline.command.ephemeris_delivery import existing
from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Json, Url, Yes, confirm, open_client
from sightline.command.output import print_facts, progress
from sightline.command.search import follow
from sightline.command.search_refusals import plainly

_CHUNK = 2000
"""Products in one call: some 50 MB at the very most, of the 128 MiB that a call may have."""


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="Data products: keograms and other files, known by their addresses.")
    app.command("import")(import_file)
    app.command("delete")(delete)
    return app


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON lines (.jsonl).", show_default=False)],
    *,
    source: Source,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Read a file, check all of it, and only then put it into the platform. Done again it changes nothing.

    Columns: data_product_type, start, end, url, and metadata (a JSON object) if there is any. See docs/aurorax.md.
    """
    with open_client(url, timeout_s=TIMEOUT_S) as client:
        found = existing(client, source)
        products = read_products(file, found)
        rows = [
            {
                "data_product_type": product.data_product_type,
                "start": product.start.isoformat(),
                "end": product.end.isoformat(),
                "url": product.url,
                "metadata": product.metadata,
            }
            for product in products
        ]
        with plainly(), progress() as bar:
            task = bar.add_task("storing", total=len(rows))
            for at in range(0, len(rows), _CHUNK):
                bar.advance(task, client.put_data_products(found, rows[at : at + _CHUNK]))
    _show(found, products, as_json=as_json)


def delete(
    *,
    source: Source,
    urls: Annotated[
        list[str] | None, typer.Option("--product-url", help="The address of one; give it again for more.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Those that lie between this, in UTC,")] = None,
    end: Annotated[str | None, typer.Option(help="and this, both included.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only this type; give it again for more.")] = None,
    yes: Yes = False,
    url: Url = None,
) -> None:
    """Delete data products by their addresses, or all that lie within a span. What is not there is no error."""
    if bool(urls) == (start is not None or end is not None or bool(types)):
        raise CommandFailed("give either --product-url, or --start and --end with or without --type", exit_code=USAGE)
    if not urls and (start is None or end is None):
        raise CommandFailed("--start and --end go together", exit_code=USAGE)
    span = moments_of(start, end) if start is not None and end is not None else None
    with open_client(url, timeout_s=TIMEOUT_S) as client:
        found = existing(client, source)
        wanted = list(dict.fromkeys(urls or ()))
        if span is not None:
            query = {"start": span[0].isoformat(), "end": span[1].isoformat(), "data_product_type_filters": types or []}
            wanted = _within(client, found, query)
        if wanted:
            confirm(f"Delete {len(wanted)} data products of {name_of(found)}?", yes=yes)
        chunks = (wanted[at : at + _CHUNK] for at in range(0, len(wanted), _CHUNK))
        with plainly():
            count = sum(client.delete_data_products(found, chunk) for chunk in chunks)
    print(f"{name_of(found)}: {count} data products deleted")


def _within(client: Client, source: SourceInfo, query: Mapping[str, object]) -> list[str]:
    """Return the addresses that a search finds; the platform deletes by address alone."""
    criteria = {
        "programs": [source.program],
        "platforms": [source.platform],
        "instrument_types": [source.instrument_type],
    }
    with plainly({"data_product_type_filters": "--type"}):
        search_id = client.search("data_product", {**query, "data_sources": criteria})
    follow(client, search_id)
    return [row["url"] for row in client.search_rows(search_id)]


def _show(source: SourceInfo, products: Sequence[DataProductUpload], *, as_json: bool) -> None:
    """Say what was stored: as facts for a person, or as one JSON document."""
    types = Counter(product.data_product_type for product in products)
    first = min(product.start for product in products).strftime("%Y-%m-%dT%H:%M:%S")
    last = max(product.end for product in products).strftime("%Y-%m-%dT%H:%M:%S")
    if as_json:
        counted = {"source": source.identifier, "products": len(products), "types": types}
        print(json.dumps({**counted, "first": first, "last": last}, ensure_ascii=False))
        return
    facts = [("source", name_of(source)), ("products", str(len(products)))]
    facts += [("types", ", ".join(f"{name} ({count})" for name, count in sorted(types.items())))]
    print_facts([*facts, ("first", first), ("last", last)])
