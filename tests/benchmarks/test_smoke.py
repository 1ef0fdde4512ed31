"""The benchmarks run and their results have the promised shape. What they measure is not judged here."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from tests.support.server import ROOT, clean_environment


@pytest.mark.timeout(120)
def test_a_quick_run_writes_machine_figures_ratios_and_method(tmp_path: Path) -> None:
    output = tmp_path / "latest.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "embedded", "--output", str(output)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    results = json.loads(output.read_text())
    assert set(results) == {"made_at", "machine", "figures", "ratios", "method"}
    assert results["machine"]["processors"] >= 1
    assert results["method"]["quick"] is True
    assert results["method"]["queries"] == 48

    ratios = results["ratios"]
    assert {"embedded_pipeline_vs_bare_small", "embedded_pipeline_vs_bare_mobilenet"} <= set(ratios)
    assert all(ratio > 0 for ratio in ratios.values())

    assert all(step["cpu_us"] > 0 for step in results["figures"]["steps"])
    embedded = results["figures"]["embedded"]
    for model in ("small", "mobilenet"):
        pipeline = embedded["pipeline"][model]
        assert pipeline["queries"] == 48
        assert pipeline["answers_per_s"]["median"] in pipeline["answers_per_s"]["runs"]
        assert pipeline["cpu_ms_per_query"]["all in one"] > 0
        assert embedded["latency"][model]["answered"]["samples"] == 8
        assert embedded["latency"][model]["accepted"]["median_ms"] < embedded["latency"][model]["answered"]["median_ms"]
    assert embedded["memory"]["all in one"]["own_mb"] > 0
    assert embedded["doors"]["lookups_per_s"]["median"] > 0

    document = tmp_path / "performance.md"
    shutil.copy(ROOT / "docs" / "performance.md", document)
    report.write(document, results)
    report.write(document, results)
    text = document.read_text()
    assert text.count("### Throughput") == 1
    assert "embedded_pipeline_vs_bare_small" in text


@pytest.mark.timeout(200)
def test_the_search_is_measured_and_finds_what_the_haversine_finds(tmp_path: Path) -> None:
    results = _search(tmp_path, "engine", 30)
    assert results["engine"]["same_hits_as_haversine"]
    assert results["engine"]["pair_minutes"] == 24 * 6 * 30 * 1440
    assert results["engine"]["rows"] > 1000


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_searches_are_measured_through_real_services(tmp_path: Path) -> None:
    results = _search(tmp_path, "services", 24)
    assert results["services"]["workers"]["rows"] > 1000
    assert results["services"]["short_behind_long"]["alone_ms"] > 0
    assert set(results["services"]["peak_memory_mib"]["worker_by_span"]) == {"2 days", "6 days", "24 days"}


def _search(folder: Path, only: str, days: int) -> dict[str, Any]:
    output = folder / "search.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.search", "--only", only, "--days", str(days), "--output", str(output)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(output.read_text())
    return results
