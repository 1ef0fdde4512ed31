"""The command as a whole: every subcommand, put together in one function."""

import typer

from sightline.command import (
    capture,
    completion,
    data_products,
    dead,
    detectors,
    drill,
    ephemeris,
    lookup,
    models,
    platform,
    review,
    search,
    showcase,
    submit,
    tokens,
    topology,
    upkeep,
    version,
)
from sightline.command.failures import EXIT_CODES, Commands

_HELP = """Ask a detector's question about an image now; look the answer up later, anywhere, by its ID.

The client side talks to a running installation: SIGHTLINE_URL (default http://127.0.0.1:8470) says where it is and
SIGHTLINE_TOKEN as whom to call. `sightline up` starts one on this machine."""


def create_app() -> typer.Typer:
    """Return the command."""
    app = typer.Typer(
        cls=Commands,
        help=_HELP,
        epilog=EXIT_CODES,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(version.root)
    for part in (platform, submit, capture, lookup, upkeep, review, showcase, drill, completion, version):
        part.register(app)
    app.add_typer(data_products.create_app(), name="data-products")
    app.add_typer(detectors.create_app(), name="detectors")
    app.add_typer(ephemeris.create_app(), name="ephemeris")
    app.add_typer(models.create_app(), name="models")
    app.add_typer(search.create_app(), name="search")
    app.add_typer(tokens.create_app(), name="tokens")
    app.add_typer(dead.create_app(), name="dead")
    app.add_typer(topology.create_app(), name="topology")
    return app
