"""The proxy's configuration says of every request what the table of routes says."""

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
    doors = [line for line in lines if line.startswith("use_backend submitter")]
    assert bool(doors) == (owner_of(route.method, path) == "submitter")
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
