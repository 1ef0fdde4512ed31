"""What more inference processes bring, each on one processor; where there are fewer, they share."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import layouts, models, pipeline
from benchmarks.plan import Say
from benchmarks.servers import Servers

NUMBERS = (1, 2, 3, 4)
QUERIES = {models.SMALL: 1500, models.MOBILENET: 800}
_REPETITIONS = 3
_WARM_UP = 100


def measure(
    servers: Servers, pack: Path, say: Say, numbers: Sequence[int] = NUMBERS, repetitions: int = _REPETITIONS
) -> dict[str, list[dict[str, Any]]]:
    """Return for each model a point for each number of workers; rates are medians."""
    found: dict[str, list[dict[str, Any]]] = {model: [] for model in models.MODELS}
    for number in numbers:
        with layouts.separate(servers.with_database(str(number)), workers=number, pinned=True) as opened:
            for model, detector_id in layouts.prepared(opened, models.MODELS).items():
                rates = []
                for repetition in range(-1, repetitions):
                    count = QUERIES[model] if repetition >= 0 else _WARM_UP
                    stamp = f"{number} workers {model} {repetition}"
                    task = pipeline.Task(detector_id=detector_id, pack=pack, count=count, stamp=stamp)
                    rates.append(round(pipeline.measure(opened, task).answers_per_s, 1))
                point = {"workers": number, "answers_per_s": statistics.median(rates[1:]), "runs": rates[1:]}
                found[model].append(point)
                say(f"{model}: {point}")
    return found
