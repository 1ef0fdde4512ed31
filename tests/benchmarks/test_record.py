"""A part that is measured again takes the place of its own figures, and the ratios are of what the file holds."""

import json
from pathlib import Path
from typing import Any

from benchmarks import record, report

MACHINE: dict[str, Any] = {
    "processor": "x",
    "processors": 2,
    "memory_gib": 1.0,
    "system": "x",
    "python": "3",
    "packages": {},
    "load_before": 0.1,
}
HOW = {"quick": False, "queries": 3000, "repetitions": 3}


def rate(median: float) -> dict[str, Any]:
    return {"median": median, "runs": [median]}


def run(median: float, **more: Any) -> dict[str, Any]:
    return {"answers_per_s": rate(median), "mean_batch": 8.0, "cpu_ms_per_query": {"inference": 1.0}, **more}


THROUGHPUT = {
    "separate": {
        "bare": {"small": rate(1000.0), "mobilenet": rate(400.0)},
        "pipeline": {"small": run(500.0), "mobilenet": run(300.0)},
        "peer": {"small": run(250.0, variant="v"), "mobilenet": run(100.0, variant="v")},
    }
}
DOORS = {
    "separate": {
        "doors": {
            "lookups_per_s": rate(80.0),
            "bare_lookups_per_s": rate(100.0),
            "submits_per_s": rate(20.0),
            "keyed_submits_per_s": rate(10.0),
            "bare_submits_per_s": rate(100.0),
        }
    }
}


def test_parts_come_together_in_one_file_with_their_ratios(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    for part, figures in (("throughput", THROUGHPUT), ("doors", DOORS)):
        path.write_text(json.dumps(record.merged(path, part, figures, machine=MACHINE, how=HOW)))
    results = json.loads(path.read_text())
    assert set(results["method"]["parts"]) == {"throughput", "doors"}
    assert results["ratios"] == {
        "pipeline_vs_bare_small": 0.5,
        "pipeline_vs_celery_small": 2.0,
        "pipeline_vs_bare_mobilenet": 0.75,
        "pipeline_vs_celery_mobilenet": 3.0,
        "lookup_vs_bare": 0.8,
        "submit_vs_bare": 0.2,
        "keyed_submit_vs_bare": 0.1,
    }
    text = report.tables(results)
    assert "| 500 (500) | 1000 (1000) | 0.50 | 250 (250) | 2.00 |" in text
    assert "### Single steps" not in text  # not measured, so not there


def test_one_model_measured_again_leaves_the_other(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    path.write_text(json.dumps(record.merged(path, "throughput", THROUGHPUT, machine=MACHINE, how=HOW)))
    again = {"separate": {"pipeline": {"small": run(750.0)}}}
    results = record.merged(path, "throughput", again, machine=MACHINE, how=HOW)
    assert results["ratios"]["pipeline_vs_celery_small"] == 3.0
    assert results["ratios"]["pipeline_vs_celery_mobilenet"] == 3.0


def test_growth_has_its_ratios_and_its_tables() -> None:
    growth = {
        "workers": {"small": [{"workers": n, "answers_per_s": 100.0 * n, "runs": [100.0 * n]} for n in (1, 2)]},
        "memory": [
            {"queries": 5_000, "resident_mb": {"gateway": 100.0}},
            {"queries": 50_000, "resident_mb": {"gateway": 105.0}},
        ],
    }
    assert record.ratios_of({"growth": growth}) == {"two_workers_vs_one_small": 2.0, "memory_growth_gateway": 1.05}
