"""Running the platform: up, serve. Services are started by name, so the client alone installs without them."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sightline.command.failures import CommandFailed
from sightline.command.options import part, translated

Role = Literal["result_store", "inference", "search", "submitter", "gateway"]
_Data = Annotated[Path | None, typer.Option(help="Folder of the embedded bus and store.", show_default=False)]
_Bus = Annotated[str | None, typer.Option(help="Address of the bus.", show_default=False)]
_Store = Annotated[str | None, typer.Option(help="Address of the store.", show_default=False)]
_Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
_Port = Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.", show_default="8470")]
_LogFormat = Annotated[Literal["json", "console"] | None, typer.Option(help="For programs, or for people.")]


def register(app: typer.Typer) -> None:
    """Add the subcommands."""
    app.command("up")(up)
    app.command("serve")(serve)


def up(
    *,
    bus: _Bus = None,
    store: _Store = None,
    port: _Port = None,
    host: _Host = None,
    data: _Data = None,
    log_format: _LogFormat = None,
) -> None:
    """Run the whole platform in this process, until Ctrl-C. Settings: SIGHTLINE_..., see docs/settings.md."""
    given = {"bus": bus, "store": store, "port": port, "host": host, "data": data, "log_format": log_format}
    _run("services.embedded.compose", "embedded", given)


def serve(
    service: Annotated[Role, typer.Argument(help="Which one.")],
    *,
    check_config: Annotated[
        bool, typer.Option("--check-config", help="Print the settings, without secrets, and what can be reached.")
    ] = False,
    bus: _Bus = None,
    store: _Store = None,
    port: _Port = None,
    host: _Host = None,
    data: _Data = None,
    log_format: _LogFormat = None,
) -> None:
    """Run one service in this process, until SIGTERM. With --check-config only look: exit code 1 when it cannot run."""
    given = {"bus": bus, "store": store, "port": port, "host": host, "data": data, "log_format": log_format}
    if check_config:
        _check(service, given)
        return
    _run(f"services.{service}.service", service, given)


def _run(module: str, extra: str, given: dict[str, Any]) -> None:
    runtime, settings_module = part("services.kit.runtime", extra), part("services.kit.settings", extra)
    logging, composed = part("services.kit.logging", extra), part(module, extra)
    with translated():
        settings = settings_module.load(**_for_people(given))
        logging.configure(settings.log_level, settings.log_format)
        untold: list[str] = []
        if extra == "embedded":
            settings = part("services.kit.auth", extra).with_own_pepper(settings)
            token = asyncio.run(part("services.embedded.first_token", extra).make_first_token(settings))
            if token is not None:
                untold.append(f"First token, shown this once: {token}  (SIGHTLINE_TOKEN, GROUNDLIGHT_API_TOKEN)")
        factories = composed.ALL if extra == "embedded" else (composed.create,)
        try:
            runtime.run_process(settings, factories, lambda origin: _tell_ready(extra, origin, settings, untold))
        finally:
            # A start that failed has made the token too, and at the next one the store is not new any more.
            for line in untold:
                print(line, flush=True)


def _for_people(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings given, logs for people where people read them and nobody said otherwise."""
    said = given["log_format"] or any(name.startswith("SIGHTLINE_LOG_FORMAT") for name in os.environ)
    return given if said or not sys.stderr.isatty() else given | {"log_format": "console"}


def _tell_ready(service: str, origin: str, settings: Any, untold: list[str]) -> None:
    # At once, also into a pipe: scripts wait for the first line, and may leave after it.
    ready = f"Sightline is ready: {origin}  docs {origin}/docs  data {settings.data}  {_callers(settings)}"
    lines = [ready, *untold]
    untold.clear()
    print("\n".join(lines), flush=True)
    if service != "embedded":
        _warn_if_alone(service, settings)


def _callers(settings: Any) -> str:
    tenant = settings.admitted_tenant
    if tenant is None:
        return "callers need a token"
    loopback = part("services.kit.settings", "service").is_loopback(settings.host)
    who = "this machine's users" if loopback else "ANYBODY WHO CAN REACH IT"
    return f"open to {who} without a token (tenant {tenant})"


def _warn_if_alone(service: str, settings: Any) -> None:
    if settings.bus_url.startswith(("sqlite:", "memory:")):
        print(
            f"sightline: {service} has an embedded bus of its own, which no other process can use: give --bus and "
            "--store (SIGHTLINE_BUS, SIGHTLINE_STORE), or run all services in one process with: sightline up",
            file=sys.stderr,
        )


def _check(service: str, given: dict[str, Any]) -> None:
    settings_module, errors = part("services.kit.settings", "service"), part("services.kit.errors", "service")
    logging = part("services.kit.logging", "service")
    redact = logging.redact
    with translated():
        settings = settings_module.load(**given)
    _warn_if_alone(service, settings)
    logging.configure("WARNING", settings.log_format)
    print(redact(json.dumps(settings.model_dump(mode="json"), indent=2)))

    reached = True
    for name, (address_of, reach) in part("services.kit.reach", "service").PARTS.items():
        address = redact(address_of(settings))
        try:
            print(f"{name} {address}: {asyncio.run(reach(settings))}", file=sys.stderr)
        except errors.PlatformError as error:
            reached = False
            print(f"{name} {address}: {error}", file=sys.stderr)
    if not reached:
        raise CommandFailed("this configuration cannot run")
