"""Every subcommand of aurorax-cli 1.27.0, in one process: each new one would load half of scientific Python."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyaurorax
from click.testing import CliRunner
from pyaurorax.cli.cli import cli

url = sys.argv[1]
runner = CliRunner()


def run(*arguments: str, status: int = 0) -> str:
    """Run the command and return what it prints."""
    result = runner.invoke(cli, [f"--api-base-url={url}", *arguments])
    assert result.exit_code == status, (arguments, result.output, result.exception)
    return str(result.output)


span: dict[str, Any] = {"start": "2020-01-01T00:00:00", "end": "2020-01-01T23:59:59"}
swarm = {"programs": ["swarm"], "platforms": ["swarma"]}
QUERIES: dict[str, dict[str, Any]] = {
    "conjunctions": span
    | {
        "ground": [{"programs": ["themis-asi"], "platforms": ["gillam"], "instrument_types": ["panchromatic ASI"]}],
        "space": [swarm | {"instrument_types": ["footprint"]}],
        "max_distances": {"ground1-space1": 500},
        "conjunction_types": ["nbtrace"],
    },
    "ephemeris": {"start": span["start"], "end": "2020-01-01T00:04:59", "data_sources": swarm},
    "data_products": span | {"data_sources": {"programs": ["themis-asi"]}, "data_product_type_filters": ["keogram"]},
}
TYPES = {"conjunctions": "conjunction", "ephemeris": "ephemeris", "data_products": "data_product"}

# The command itself once; then what it calls.
command = [str(Path(sys.executable).parent / "aurorax-cli"), f"--api-base-url={url}", "--test-connectivity"]
assert "looks good" in subprocess.run(command, capture_output=True, text=True, check=True).stdout

# Searches of each kind, by their own template and by a query in a file.
for kind, query in QUERIES.items():
    template = json.loads(run("search", kind, "search_template"))
    assert template["start"] == span["start"], template
    Path("query.json").write_text(json.dumps(query), encoding="utf-8")
    said = run("search", kind, "search", "query.json", "--poll-interval", "0.05", "--outfile", "rows.json")
    rows = json.loads(Path("rows.json").read_text(encoding="utf-8"))
    assert rows, said
    found = re.search(r"sr_\w{27}", said)
    assert found is not None, said
    request = found[0]
    status = run("search", kind, "get_status", request, "--show-logs", "--show-query")
    assert "Completed:\t\tTrue" in status, status
    assert "'end': '2020-01-01T" in status, status
    assert "the search is complete" in run("search", kind, "get_logs", request, "--filter", "info")
    assert "'start'" in run("search", kind, "get_query", request)
    run("search", kind, "get_data", request, "--outfile", "again.json", "--minify")
    assert json.loads(Path("again.json").read_text(encoding="utf-8")) == rows
    assert "swarm" in run("search", kind, "describe", "query.json") or kind == "data_products"
    again = re.search(r"new request ID is (sr_\w{27})", run("search", kind, "search_resubmit", request))
    assert again is not None
    assert again[1] != request
    assert "not found" in run("search", kind, "get_status", "sr_" + "0" * 27, status=1)
    listed = run("search", "util", "list_search_requests", "--search-type", TYPES[kind])
    assert request in listed, listed
    assert "Successfully deleted" in run("search", "util", "delete_search_request", request)

# Sources and availability.
assert "Gillam" in run("search", "sources", "list", "--program", "themis-asi", "--include-stats", "--order", "owner")
assert "5,760 records" in run("search", "sources", "search", "--programs", "swarm,rego", "--include-stats")
for shown in ("basic_info", "with_metadata", "identifier_only", "full_record"):
    asked = ("--format", shown, "--include-stats")
    assert "Identifier:\t\t3" in run("search", "sources", "get", "swarm", "swarma", "footprint", *asked)
    assert "5,760" in run("search", "sources", "get_using_identifier", "3", *asked)
assert "No matching data source" in run("search", "sources", "get", "no", "such", "source", status=1)
assert "identifier 12345" in run("search", "sources", "get_using_identifier", "12345", status=1)
assert "1,440" in run("search", "availability", "ephemeris", "2020-01-01", "20200104", "--program", "swarm")
assert "2020-01-04" in run("search", "availability", "data_products", "2020/01/01", "2020-01-04")
assert "No ephemeris availability" in run("search", "availability", "ephemeris", "2010-01-01", "2010-01-02")

# Deleting: `add` and `update` of this version call functions of the library that it does not have.
aurorax = pyaurorax.PyAuroraX(api_base_url=url)
source = pyaurorax.search.DataSource(
    program="cli", platform="one", instrument_type="none", source_type="ground", display_name="One"
)
added = aurorax.search.sources.add(source)
assert "AuroraXConflictError" in run("search", "sources", "delete", "3", status=1)
assert f"#{added.identifier}" in run("search", "sources", "delete", str(added.identifier))
