"""Delays and round trips of the Groundlight client at low load; prints one JSON document. Knows nothing of us."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3
from groundlight import Groundlight

trips = 0
_urlopen = urllib3.connectionpool.HTTPConnectionPool.urlopen


def counted(pool: Any, *arguments: Any, **options: Any) -> Any:
    """Count a request, then send it."""
    global trips  # noqa: PLW0603 - a program of one page
    trips += 1
    return _urlopen(pool, *arguments, **options)


def measure(ask: Callable[[], object], count: int) -> dict[str, float]:
    """Return the median and the 95th percentile in milliseconds, and the median of the round trips."""
    seconds, requests = [], []
    for number in range(count + 5):
        begun, before = time.perf_counter(), trips
        ask()
        if number >= 5:  # the first ones warm up
            seconds.append(time.perf_counter() - begun)
            requests.append(trips - before)
    milliseconds = [round(1000 * value, 1) for value in sorted(seconds)]
    return {
        "p50_ms": statistics.median(milliseconds),
        "p95_ms": milliseconds[int(0.95 * (count - 1))],
        "round_trips": statistics.median(requests),
    }


def main() -> None:
    """Ask a detector one question after the other."""
    urllib3.connectionpool.HTTPConnectionPool.urlopen = counted  # type: ignore[method-assign,assignment]
    image, count = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    gl = Groundlight()
    detector = gl.get_or_create_detector(name="door", query="Is the door open?", pipeline_config="door")
    figures = {
        "ask_ml": measure(lambda: gl.ask_ml(detector, image), count),
        "ask_async and wait_for_confident_result": measure(
            lambda: gl.wait_for_confident_result(gl.ask_async(detector, image)), count
        ),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
