"""Writes the configuration of the edge proxy, HAProxy, from the table of routes.

    python -m infra.compose.edge [--check]

One origin for clients: which requests are the submitter's, and how large a body may be, stands in
contracts/http/routes.py alone. `--check` compares with the committed file and writes nothing.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from fastapi.responses import JSONResponse

from contracts.http.problems import PROBLEMS
from contracts.http.routes import ROUTES, SMALL_BODY, Route
from services.kit.aurorax import PREFIX, error_response

FILE = Path(__file__).with_name("haproxy.cfg")
_ERRORS = {
    400: ("bad_request", ""),
    413: ("body_too_large", ""),
    408: ("bad_request", "the request did not come in time"),
    502: ("unavailable", ""),
    503: ("unavailable", ""),
    504: ("unavailable", "no answer in time; whether it took effect is not known"),
}
"""What the proxy says by itself: status, code of the table of problems, detail."""
_DOORS = ("submitter", "gateway")
_AURORAX = "aurorax_"
"""Before the name of a door: the same door, with errors that the AuroraX client can read."""

_HEAD = """\
# Written by `python -m infra.compose.edge` from contracts/http/routes.py; do not edit.
global
    log stdout format raw local0 notice
    maxconn 8000

defaults
    mode http
    log global
    option dontlognull
    option forwardfor
    # Headers within 10 s. A body that does not move for 30 s, or a client that is silent for a minute, is let go.
    timeout http-request 10s
    timeout client 30s
    timeout http-keep-alive 60s
    timeout connect 3s
    timeout queue 5s
    # Above SIGHTLINE_MAX_WAIT_S at its highest: a request may wait that long for a result.
    timeout server 310s
    # A service that is not there any more is left for another of its kind; what it has read is not sent twice.
    retries 2
    option redispatch
"""

_TAIL = """
resolvers network
    parse-resolv-conf
    hold valid 5s
    hold obsolete 5s

# Alive, not ready: a door whose store is away still answers, and says itself what it cannot do.
"""

_END = """
backend grafana
    default-server check inter 5s resolvers network init-addr none
    server-template grafana- 1 grafana:3000

frontend metrics
    bind :8404
    http-request use-service prometheus-exporter if { path /metrics }
    http-request return status 404
"""


def configuration() -> str:
    """Return the text of the configuration."""
    larger = [route for route in ROUTES if route.body_limit != SMALL_BODY]
    doors = [route for route in ROUTES if route.service == "submitter"]
    lines = [
        "",
        "frontend edge",
        "    bind :8470",
        "    monitor-uri /edgez",
        "    acl no_submitter nbsrv(submitter) lt 1",
        "    acl no_gateway nbsrv(gateway) lt 1",
        "    monitor fail if no_submitter or no_gateway",
        # Health and figures of single services are the operator's; /edgez says whether both doors are open. The
        # services decode a path before they look it up, so it is decoded here too.
        "    http-request return status 404 if { path,url_dec -m str /metrics /readyz /livez }",
        f"    acl is_aurorax path_beg {PREFIX}/",
        f"    http-request set-var(txn.limit) int({SMALL_BODY})",
        *(f"    http-request set-var(txn.limit) int({route.body_limit}) if {_condition(route)}" for route in larger),
        "    acl is_too_large req.hdr(content-length),sub(txn.limit) gt 0",
        f"    http-request return {_aurorax_error(413, answer=True)} if is_too_large is_aurorax",
        "    http-request deny deny_status 413 if is_too_large",
        *(f"    use_backend {_backend(route)} if {_condition(route)}" for route in doors),
        # With the profile `monitoring`; it has users of its own.
        "    acl has_grafana nbsrv(grafana) gt 0",
        "    use_backend grafana if has_grafana { path_beg /grafana/ }",
        f"    use_backend {_AURORAX}gateway if is_aurorax",
        "    default_backend gateway",
    ]
    errors = "".join(f"    {line}\n" for line in _errors())
    backends = "\n".join(_door(door, own) for door in _DOORS for own in ((), _aurorax_lines()))
    return _HEAD + errors + "\n".join(lines) + "\n" + _TAIL + backends + _END


def main() -> None:
    """Write the file, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if the committed file differs")
    if parser.parse_args().check:
        if FILE.read_text() != configuration():
            parser.exit(1, f"{FILE.name} differs from the table of routes: run `python -m infra.compose.edge`\n")
        return
    FILE.write_text(configuration())


def _condition(route: Route) -> str:
    """The condition of a route: HAProxy compares paths as they came, without the query string."""
    if "{" not in route.path:
        return f"{{ method {route.method} }} {{ path {route.path} }}"
    pattern = re.sub(r"\{[^}]*\}", "[^/]+", re.escape(route.path).replace(r"\{", "{").replace(r"\}", "}"))
    return f"{{ method {route.method} }} {{ path_reg ^{pattern}$ }}"


def _backend(route: Route) -> str:
    return f"{_AURORAX if route.path.startswith(PREFIX) else ''}{route.service}"


def _door(door: str, own: Sequence[str]) -> str:
    lines = [
        f"backend {_AURORAX if own else ''}{door}",
        "option httpchk GET /livez",
        "default-server check inter 2s fall 3 rise 1 resolvers network init-addr none",
        f"server-template {door}- 8 {door}:8470",
        *own,
    ]
    return "\n    ".join(lines) + "\n"


def _aurorax_lines() -> tuple[str, ...]:
    """The errors of the AuroraX surface; an http-error keeps its status, so that is changed once it is made."""
    own = [status for status in _ERRORS if status != 413]  # that one the frontend says before it chooses a door
    told = {status: _aurorax(status).status_code for status in own}
    return (
        *(f"http-error {_aurorax_error(status)}" for status in own),
        *(
            f"http-after-response set-status {told[status]} if {{ status {status} }}"
            for status in own
            if told[status] != status
        ),
    )


def _aurorax(status: int) -> JSONResponse:
    """What the services themselves say there: that client takes some statuses for success and trips over others."""
    return error_response(*_ERRORS[status])


def _aurorax_error(status: int, *, answer: bool = False) -> str:
    """What is said for `status`: as an `answer` under the status that the client reads, else under its own."""
    error = _aurorax(status)
    said = error.status_code if answer else status
    body = bytes(error.body).decode()
    return f"status {said} content-type {error.media_type} string '{body}'{_again(status)}"


def _errors() -> list[str]:
    lines = []
    for status, (code, detail) in _ERRORS.items():
        title = PROBLEMS[code].title
        body = (
            f'{{"type":"urn:sightline:problem:{code}","title":"{title}","status":{status},"code":"{code}",'
            f'"detail":"{detail}"}}'
        )
        lines.append(
            f"http-error status {status} content-type application/problem+json string '{body}'{_again(status)}"
        )
    return lines


def _again(status: int) -> str:
    return " hdr Retry-After 2" if status >= 502 else ""


if __name__ == "__main__":
    main()
