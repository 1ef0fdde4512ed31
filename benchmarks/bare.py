"""The bare loop: decode and ONNX Runtime, nothing else; no message, no store, no check of what came in.

It makes the same tensors as the product does, by the same scale of decoding and the same resize. Everything else is
as fast as it gets: ONNX Runtime with its arena and spinning threads, images decoded by as many threads as it has.
"""

import itertools
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnxruntime

from benchmarks import images, models
from contracts.http.models import ManifestInput
from services.inference.decode import REDUCED, fit, reduction
from services.inference.preprocess import Batch, empty_batch, write_row
from services.inference.processors import count_processors
from services.kit.images import ImageFacts

BATCHES = (1, 8, 16)


class Variant(NamedTuple):
    """A way to run the loop; each of `processes` runs a model with `threads`."""

    processes: int
    threads: int
    batch: int

    @property
    def label(self) -> str:
        """E.g. `2 x 1, batch 8`."""
        return f"{self.processes} x {self.threads}, batch {self.batch}"


class _Task(NamedTuple):
    model: str
    pack: Path
    variant: Variant
    seconds: float


@dataclass(frozen=True, slots=True)
class BareRate:
    """What one run gave."""

    variant: str
    images_per_s: float
    cpu_ms_per_image: float


def variants(batches: Sequence[int] = BATCHES) -> tuple[Variant, ...]:
    """Every variant: one process with all processors, or one process for each; of each batch."""
    processors = count_processors()
    shapes = dict.fromkeys(((1, processors), (processors, 1)))
    return tuple(Variant(*shape, batch) for shape in shapes for batch in batches)


def measure(model: str, pack: Path, variant: Variant, *, seconds: float) -> BareRate:
    """Run the loop for `seconds` in processes of its own and return the rate of all together."""
    context = multiprocessing.get_context("forkserver")
    barrier, results = context.Barrier(variant.processes), context.Queue()
    workers = [
        context.Process(target=_work, args=(_Task(model, pack, variant, seconds), barrier, results))
        for _ in range(variant.processes)
    ]
    for worker in workers:
        worker.start()
    parts = [results.get(timeout=seconds + 60.0) for _ in workers]
    for worker in workers:
        worker.join()
    done = sum(part[0] for part in parts)
    rate = sum(part[0] / part[1] for part in parts)
    return BareRate(variant.label, round(rate, 1), round(sum(part[2] for part in parts) / done * 1000, 3))


def best(rates: Sequence[BareRate]) -> BareRate:
    """Return the fastest."""
    return max(rates, key=lambda rate: rate.images_per_s)


def as_figures(rates: Sequence[BareRate]) -> list[dict[str, Any]]:
    """Return the runs for the results file."""
    return [asdict(rate) for rate in rates]


def _work(task: "_Task", barrier: Barrier, results: "Queue[tuple[int, float, float]]") -> None:
    cv2.setNumThreads(1)
    variant, loaded = task.variant, models.load(task.model)
    wanted = loaded.manifest.input
    session = _session(loaded.data, variant.threads)
    pictures = itertools.cycle(images.load(task.pack))
    with ThreadPoolExecutor(variant.threads) as threads:
        batch = empty_batch(variant.batch, wanted)

        def step() -> None:
            chosen = list(itertools.islice(pictures, variant.batch))
            list(threads.map(_place, chosen, batch, itertools.repeat(wanted)))
            np.argmax(session.run(None, {"image": batch})[0], axis=1)

        step()
        barrier.wait(60.0)
        began, cpu_began, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < task.seconds:
            step()
            done += variant.batch
        results.put((done, time.perf_counter() - began, time.process_time() - cpu_began))


def _place(data: bytes, row: Batch, wanted: ManifestInput) -> None:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), REDUCED.get(_scale(wanted), cv2.IMREAD_COLOR))
    write_row(row, fit(np.asarray(picture, np.uint8), wanted), wanted)


def _scale(wanted: ManifestInput) -> int:
    return reduction(ImageFacts("image/jpeg", images.WIDTH, images.HEIGHT), wanted)


def _session(data: bytes, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
