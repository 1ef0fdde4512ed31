"""Throughput of the whole platform: from the first question published to the last answer stored."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks import stored, waiting
from benchmarks.figures import PipelineRun
from benchmarks.installation import Installation
from benchmarks.load import LoadRate, Submits, drive
from benchmarks.publisher import Questions, publishing
from benchmarks.usage import Usage, usage_of

_LONGEST_HTTP_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one run does: ask a detector about `count` images of `pack` that no store has seen (hence the stamp)."""

    detector_id: str
    pack: Path
    count: int
    stamp: str
    more: Sequence[str] = ()
    """Further detectors, asked in turn; over the bus only."""

    @property
    def targets(self) -> Sequence[str]:
        """All detectors."""
        return (self.detector_id, *self.more)


def measure(installation: Installation, task: Task, *, over_http: bool = False) -> PipelineRun:
    """Submit as a device does, over the bus; or over HTTP, always where the bus serves one process only."""
    by_bus = installation.bus and not over_http
    return _over_bus(installation, task) if by_bus else _over_http(installation, task)


def _over_bus(installation: Installation, task: Task) -> PipelineRun:
    questions = Questions(to="platform", targets=task.targets, pack=task.pack, count=task.count, stamp=task.stamp)
    with publishing(installation.bus, questions) as publisher:
        began_with = usage_of(publisher.pid).cpu_s
        seconds, cpu_s, batch = _until_answered(installation, task.count, publisher.start)
        published_s = publisher.finish()
        cpu_s["publisher"] = usage_of(publisher.pid).cpu_s - began_with
    return _run_of(task, seconds, published_s, batch, cpu_s)


def _over_http(installation: Installation, task: Task) -> PipelineRun:
    path = f"/v1/image-queries?detector={task.detector_id}"
    origin = installation.door("POST", path)
    load = Submits(origin=origin, path=path, pack=task.pack, stamp=task.stamp, most=task.count)
    rates: list[LoadRate] = []

    def submit() -> None:
        rates.append(drive(load, seconds=_LONGEST_HTTP_S))

    seconds, cpu_s, batch = _until_answered(installation, task.count, submit, of=lambda: rates[0].seconds)
    return _run_of(task, seconds, rates[0].seconds, batch, cpu_s)


def drain(installation: Installation, expected: int) -> None:
    """Wait until the result store has written `expected` answers since it started.

    Raises:
        RuntimeError: a minute passed without a new one.
    """
    with httpx2.Client(timeout=30) as client:
        waiting.until(lambda: installation.answered(client), expected, time.perf_counter())


def answered(installation: Installation) -> int:
    """Return how many answers the result store has written since it started."""
    with httpx2.Client(timeout=30) as client:
        return installation.answered(client)


def _until_answered(
    installation: Installation, count: int, start: Callable[[], None], of: Callable[[], float] | None = None
) -> tuple[float, dict[str, float], float]:
    """Return seconds from the first question to the last answer, processor seconds by service, and the mean batch.

    `start` may block while it submits in a process that takes time to begin; `of` then says for how long it did.
    """
    with httpx2.Client(timeout=30) as client:
        had = installation.answered(client)
        had_stored = stored.count(installation.store)
        before, batches_before = installation.usage(), _batches(installation, client)
        began = time.perf_counter()
        start()
        if of is not None:
            began = time.perf_counter() - of()
        ended = waiting.until(lambda: installation.answered(client), had + count, began)
        after, batches = installation.usage(), _batches(installation, client)
        if (found := stored.count(installation.store) - had_stored) != count:
            raise RuntimeError(f"{count} queries were asked and {found} answers are stored")
    messages, runs = batches[0] - batches_before[0], batches[1] - batches_before[1]
    return ended - began, _cpu_between(before, after), messages / max(1.0, runs)


def _batches(installation: Installation, client: httpx2.Client) -> tuple[float, float]:
    """Return how many messages and batches the workers have handled."""
    messages = batches = 0.0
    for origin in {process.origin for process in installation.processes}:
        for line in client.get(f"{origin}/metrics").text.splitlines():
            if line.startswith('sightline_batch_messages_sum{queue="inference.image_queries"}'):
                messages += float(line.rpartition(" ")[2])
            elif line.startswith('sightline_batch_messages_count{queue="inference.image_queries"}'):
                batches += float(line.rpartition(" ")[2])
    return messages, batches


def _cpu_between(before: dict[str, Usage], after: dict[str, Usage]) -> dict[str, float]:
    return {name: after[name].cpu_s - before[name].cpu_s for name in before}


def _run_of(task: Task, seconds: float, published_s: float, batch: float, cpu_s: dict[str, float]) -> PipelineRun:
    return PipelineRun(
        answers_per_s=task.count / seconds,
        published_per_s=task.count / published_s,
        mean_batch=batch,
        cpu_ms_per_query={name: used / task.count * 1000 for name, used in cpu_s.items()},
    )
