"""What larger images cost, submitted over HTTP as programs do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks import images, latency, layouts, models, pipeline
from benchmarks.plan import Say
from benchmarks.servers import Servers

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 4_000_000)
_DIFFERENT = 8
_SINGLES = 15
_MOST, _LEAST, _BYTES = 600, 40, 150_000_000
"""Questions at a size: as many as make this many bytes."""


def measure(servers: Servers, say: Say, sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """Return a point for each size, the smallest first: the memory is the peak up to there."""
    points: list[dict[str, Any]] = []
    with layouts.separate(servers) as opened:
        detector_id = layouts.prepared(opened, [models.SMALL])[models.SMALL]
        for size in sizes:
            pack, count = images.make_sized(size, _DIFFERENT), max(_LEAST, min(_MOST, _BYTES // size))
            task = pipeline.Task(detector_id=detector_id, pack=pack, count=count, stamp=f"size {size}")
            if not points:
                pipeline.measure(opened, replace(task, count=64, stamp="size warm-up"))
            done = pipeline.measure(opened, task, over_http=True)
            single = latency.measure(
                opened, detector_id=detector_id, pack=pack, count=_SINGLES, stamp=f"size {size} single"
            )
            memory = opened.usage()
            points.append(
                {
                    "bytes": size,
                    "answers_per_s": round(done.answers_per_s, 1),
                    "cpu_ms_per_query": round(sum(done.cpu_ms_per_query.values()), 2),
                    "answered_ms": round(single.answered.median_ms, 1),
                    "peak_mb": {
                        name: round((memory[name].own_peak_bytes + memory[name].children_peak_bytes) / 1e6, 1)
                        for name in ("submitter", "inference", "result_store", "gateway")
                    },
                }
            )
            say(f"{size} bytes: {points[-1]}")
    return points
