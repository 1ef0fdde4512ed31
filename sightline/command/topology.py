"""The installation of the broker: topology declare, topology permissions."""

import asyncio
import json
from typing import Annotated, Any

import typer

from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import Json, part, translated
from sightline.command.output import print_table

_EXTRA = "rabbitmq"
_NAMES = 3
"""Patterns of names come first: configure, write, read."""


def create_app() -> typer.Typer:
    """Return the group of subcommands."""
    app = typer.Typer(help="What RabbitMQ needs before services of least privilege can use it.")
    app.command("declare")(declare)
    app.command("permissions")(permissions)
    return app


def declare(
    *,
    bus: Annotated[
        str | None, typer.Option(help="An administrator's address; unset means SIGHTLINE_BUS.", show_default=False)
    ] = None,
    lanes: Annotated[
        str | None, typer.Option(help="Lanes that have queues, separated by commas.", show_default="default")
    ] = None,
) -> None:
    """Declare the exchanges, queues and bindings; run it again after an upgrade, or to add a lane."""
    settings_module = part("services.kit.settings", _EXTRA)
    with translated():
        settings = settings_module.load(bus=bus, lanes=lanes)
    if not settings.bus_url.startswith(("amqp:", "amqps:")):
        raise CommandFailed("give the address of a RabbitMQ with --bus; other buses need no topology", exit_code=USAGE)
    install = part("services.kit.bus.rabbit.install", _EXTRA)
    with translated():
        names = asyncio.run(_declare(install, settings))
    for name in names:
        print(name)


def permissions(
    service: Annotated[
        str | None, typer.Argument(help="Of this service alone, as three words for rabbitmqctl set_permissions.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Print what the broker's user of each service must be allowed: configure, write, read.

    With --json also the routing keys of each exchange, for rabbitmqctl set_topic_permissions.
    """
    table = part("services.kit.bus.rabbit.permissions", "service")
    if service is not None and service not in table.roles():
        raise CommandFailed(f"there is no service {service}; there are {', '.join(table.roles())}", exit_code=USAGE)
    granted = {role: table.permissions(role) for role in table.roles() if service in {None, role}}
    if as_json:
        for role, patterns in granted.items():
            topics = [topic._asdict() for topic in patterns.topics]
            print(json.dumps({"service": role, **patterns._asdict(), "topics": topics}))
    elif service is not None:
        print(*granted[service][:_NAMES])
    else:
        rows = [(role, *patterns[:_NAMES]) for role, patterns in granted.items()]
        print_table(("SERVICE", "CONFIGURE", "WRITE", "READ"), rows)


async def _declare(install: Any, settings: Any) -> list[str]:
    names: list[str] = await install.declare_topology(
        settings.bus_url,
        settings.lanes,
        ca_file=settings.bus_ca_file,
        queue_limit_bytes=settings.queue_limit_bytes,
    )
    return names
