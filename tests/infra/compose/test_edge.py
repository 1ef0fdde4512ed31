"""The proxy's configuration says of every request what the table of routes says."""

import json
import re
from collections.abc import Iterator

import pytest

from contracts.http.routes import ROUTES, SMALL_BODY, Route, owner_of
from infra.compose.edge import FILE, configuration
from services.kit.settings import Settings

_CONDITION = re.compile(r"\{ method (?P<method>\w+) \} \{ (?P<how>path|path_reg) (?P<path>\S+) \}")


def matching(lines: Iterator[str], method: str, path: str) -> list[str]:
    """The lines whose condition holds for a request, as HAProxy decides it."""
    found = []
    for line in lines:
        condition = _CONDITION.search(line)
        if condition is None or condition["method"] != method:
            continue
        pattern = condition["path"] if condition["how"] == "path_reg" else re.escape(condition["path"])
        if re.fullmatch(pattern.removeprefix("^").removesuffix("$"), path):
            found.append(line.strip())
    return found


def test_the_committed_file_is_what_the_table_gives() -> None:
    assert FILE.read_text() == configuration()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_has_its_service_and_its_limit(route: Route) -> None:
    path = re.sub(r"\{[^}]*\}", "some.id-1", route.path)
    lines = matching(iter(configuration().splitlines()), route.method, path)
    door = owner_of(route.method, path)
    expected = f"aurorax_{door}" if path.startswith("/api/v1/") else door
    chosen = [line.split()[1] for line in lines if line.startswith("use_backend ")]
    assert chosen == ([expected] if door == "submitter" else [])
    limits = [int(limit[1]) for line in lines if (limit := re.search(r"set-var\(txn.limit\) int\((\d+)\)", line))]
    assert (limits or [SMALL_BODY])[-1] == route.body_limit


def test_what_is_no_route_is_the_gateways() -> None:
    for method, path in (("GET", "/v1/image-queries"), ("POST", "/v1/image-queries/more"), ("POST", "/v1xmodels")):
        assert owner_of(method, path) == "gateway"
        assert matching(iter(configuration().splitlines()), method, path) == []


def test_the_longest_wait_that_may_be_set_fits_into_the_proxys_patience() -> None:
    patience = re.search(r"timeout server (\d+)s", configuration())
    longest = next(limit.le for limit in Settings.model_fields["max_wait_s"].metadata if hasattr(limit, "le"))
    assert patience is not None
    assert int(patience[1]) > longest


def section(start: str) -> list[str]:
    """The lines of one section of the configuration."""
    (found,) = (part for part in configuration().split("\n\n") if f"{start}\n" in part)
    return [line.strip() for line in found.splitlines()]


@pytest.mark.parametrize("door", ["submitter", "gateway"])
def test_the_aurorax_surface_gets_errors_that_its_client_does_not_take_for_success(door: str) -> None:
    """It does so with 408, 413 and 504, and trips over the rest unless there are both members of the body."""
    lines = section(f"backend aurorax_{door}")
    assert f"server-template {door}- 8 {door}:8470" in lines
    for status, told in ((400, 400), (408, 400), (502, 503), (503, 503), (504, 503)):
        (error,) = (line for line in lines if line.startswith(f"http-error status {status} "))
        shown = re.search(r"content-type application/json string '(?P<body>[^']+)'", error)
        assert shown is not None
        assert set(json.loads(shown["body"])) == {"error_code", "error_message"}
        changed = [line for line in lines if line.endswith(f"if {{ status {status} }}")]
        assert changed == (
            [] if told == status else [f"http-after-response set-status {told} if {{ status {status} }}"]
        )


def test_a_body_that_is_too_large_for_the_aurorax_surface_is_a_400_before_it_is_a_413() -> None:
    lines = section("frontend edge")
    assert "acl is_aurorax path_beg /api/v1/" in lines
    assert lines[-2:] == ["use_backend aurorax_gateway if is_aurorax", "default_backend gateway"]
    first, second = (line for line in lines if " if is_too_large" in line)
    assert first.startswith('http-request return status 400 content-type application/json string \'{"error_code":')
    assert first.endswith("' if is_too_large is_aurorax")
    assert second == "http-request deny deny_status 413 if is_too_large"


def test_health_and_figures_of_a_service_are_hidden_however_their_path_is_spelt() -> None:
    (hidden,) = (line for line in section("frontend edge") if line.startswith("http-request return status 404"))
    assert hidden == "http-request return status 404 if { path,url_dec -m str /metrics /readyz /livez }"
