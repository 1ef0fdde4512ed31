"""The results file: each part that is measured takes the place of what was there, and the ratios follow."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import models

_DEPTH = 3
"""Of the figures: layout, kind and model."""
_METHOD = """
One machine runs everything: broker, database, services, publisher and load share its processors. Images are 640 x 480
JPEGs of about 28 kB, no two of a run alike. A run's time is from the first question published to the last answer
stored (majority and journal, or fsync); the store is asked afterwards whether they are all there. With separate
services one publisher process sends over AMQP, as a device does, and the same process sends to the peer; the embedded
bus serves one process only, so that there 16 HTTP connections submit. The bare loop decodes, resizes and runs the same
model on the same processors, the peer does so in Celery's tasks; both with the best of their variants, between the
repetitions. Questions one at a time: POST, then GET with `wait`. HTTP doors: 16 connections for some seconds;
submissions with workers and result store stopped meanwhile, and once more while they are answered; beside them a bare
FastAPI route that reads the body, and one that finds a document by its key in the same store. Memory: the peak of
each process at the end of everything.
"""


def merged(
    path: Path, part: str, figures: Mapping[str, Any], *, machine: Mapping[str, Any], how: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the results of `path`, if there are any, with `figures` in their place; `how` they were measured."""
    had: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    together = _merge(had.get("figures", {}), figures, _DEPTH)
    now = datetime.now(UTC)
    measured = {"at": now.isoformat(timespec="minutes"), "load_before": machine["load_before"], **how}
    return {
        "made_at": now.date().isoformat(),
        "machine": dict(machine),
        "method": {
            **how,
            "text": " ".join(_METHOD.split()),
            "parts": {**had.get("method", {}).get("parts", {}), part: measured},
        },
        "figures": together,
        "ratios": ratios_of(together),
    }


def ratios_of(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the ratios that stay comparable between machines; those of the separate services have no prefix."""
    ratios: dict[str, float] = {}
    for layout, prefix in (("separate", ""), ("embedded", "embedded_")):
        found = figures.get(layout, {})
        for model in models.MODELS:
            answers = found.get("pipeline", {}).get(model, {}).get("answers_per_s", {}).get("median")
            for kind, rate in (
                ("bare", found.get("bare", {}).get(model, {}).get("median")),
                ("celery", found.get("peer", {}).get(model, {}).get("answers_per_s", {}).get("median")),
            ):
                if answers and rate:
                    ratios[f"{prefix}pipeline_vs_{kind}_{model}"] = round(answers / rate, 3)
        ratios |= {f"{prefix}{name}": value for name, value in _at_doors(found.get("doors", {})).items()}
    return ratios | _growth(figures.get("growth", {}))


def _at_doors(doors: Mapping[str, Any]) -> dict[str, float]:
    pairs = {
        "lookup_vs_bare": ("lookups_per_s", "bare_lookups_per_s"),
        "submit_vs_bare": ("submits_per_s", "bare_submits_per_s"),
        "keyed_submit_vs_bare": ("keyed_submits_per_s", "bare_submits_per_s"),
    }
    return {
        name: round(doors[ours]["median"] / doors[bare]["median"], 3)
        for name, (ours, bare) in pairs.items()
        if ours in doors
    }


def _growth(growth: Mapping[str, Any]) -> dict[str, float]:
    ratios = {}
    if "workers" in growth:
        for model, points in growth["workers"].items():
            rates = {point["workers"]: point["answers_per_s"] for point in points}
            ratios[f"two_workers_vs_one_{model}"] = round(rates[2] / rates[1], 3)
    if "memory" in growth:
        first, last = growth["memory"][0]["resident_mb"], growth["memory"][-1]["resident_mb"]
        for service in first:
            ratios[f"memory_growth_{service}"] = round(last[service] / first[service], 3)
    return ratios


def _merge(old: Mapping[str, Any], new: Mapping[str, Any], depth: int) -> dict[str, Any]:
    together = dict(old)
    for name, value in new.items():
        both = isinstance(value, Mapping) and isinstance(together.get(name), Mapping)
        together[name] = _merge(together[name], value, depth - 1) if both and depth > 1 else value
    return together
