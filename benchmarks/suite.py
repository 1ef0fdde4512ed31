"""Everything in one run: the bare loop and the platform in turn, so that both see the same machine."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import bare, doors, installation, latency, models, pipeline, servers, steps
from benchmarks.figures import Doors, Memory, Pipeline, PipelineRun, Spread, pipeline_of, spread_of
from benchmarks.installation import Installation
from benchmarks.latency import Latency
from benchmarks.usage import Usage

_MB = 1_000_000
_WARM_UP = 64
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    queries: int
    repetitions: int
    bare_s: float
    singles: int
    doors_s: float
    step_s: float
    batches: Sequence[int] = bare.BATCHES
    workers: int = 1


FULL = Plan(queries=3000, repetitions=3, bare_s=4.0, singles=300, doors_s=4.0, step_s=0.3)
QUICK = Plan(queries=48, repetitions=1, bare_s=0.2, singles=8, doors_s=0.2, step_s=0.01, batches=(8,))


@dataclass(frozen=True, slots=True)
class LayoutFigures:
    """One layout of the platform, and the bare loop as it was between its repetitions."""

    bare: Mapping[str, Spread]
    pipeline: Mapping[str, Pipeline]
    latency: Mapping[str, Latency]
    doors: Doors
    memory: Mapping[str, Memory]


def measure_bare(plan: Plan, pack: Path, say: Say) -> dict[str, list[bare.BareRate]]:
    """Measure every variant of the bare loop with every model."""
    found: dict[str, list[bare.BareRate]] = {}
    for model in models.MODELS:
        found[model] = []
        for variant in bare.variants(plan.batches):
            rate = bare.measure(model, pack, variant, seconds=plan.bare_s)
            say(f"bare {model}, {rate.variant}: {rate.images_per_s:.0f} images/s")
            found[model].append(rate)
    return found


def measure_layout(
    name: str, opened: Installation, plan: Plan, *, pack: Path, best: Mapping[str, bare.Variant], say: Say
) -> LayoutFigures:
    """Measure one running platform, the bare loop between its repetitions."""
    detectors = {model: opened.prepare(models.load(model)) for model in models.MODELS}
    bare_rates: dict[str, list[float]] = {model: [] for model in models.MODELS}
    runs: dict[str, list[PipelineRun]] = {model: [] for model in models.MODELS}
    for model, detector_id in detectors.items():  # loads the model and starts the decoders
        pipeline.measure(opened, _task(f"{name} {model} warm-up", detector_id, pack, min(plan.queries, _WARM_UP)))
    for repetition in range(plan.repetitions):
        for model, detector_id in detectors.items():
            rate = bare.measure(model, pack, best[model], seconds=plan.bare_s)
            bare_rates[model].append(rate.images_per_s)
            stamp = f"{name} {model} {repetition}"
            run = pipeline.measure(opened, _task(stamp, detector_id, pack, plan.queries))
            runs[model].append(run)
            say(f"{stamp}: {run.answers_per_s:.0f} answers/s, bare {rate.images_per_s:.0f}")
    delays = {
        model: latency.measure(opened, detector_id=each, pack=pack, count=plan.singles, stamp=f"{name} {model} single")
        for model, each in detectors.items()
    }
    say(f"{name}: one at a time {delays[models.SMALL].answered.median_ms:.1f} ms")
    at_doors = doors.measure(
        opened,
        detector_id=detectors[models.SMALL],
        pack=pack,
        seconds=plan.doors_s,
        repetitions=plan.repetitions,
        stamp=f"{name}-doors",
    )
    say(f"{name}: {at_doors.lookups_per_s.median:.0f} lookups/s, {at_doors.submits_per_s.median:.0f} submits/s")
    return LayoutFigures(
        bare={model: spread_of(rates) for model, rates in bare_rates.items()},
        pipeline={model: pipeline_of(plan.queries, each) for model, each in runs.items()},
        latency=delays,
        doors=at_doors,
        memory={name: _memory_of(used) for name, used in opened.usage().items()},
    )


@contextmanager
def embedded() -> Iterator[Installation]:
    """The all-in-one process, its data in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder, installation.all_in_one(Path(folder)) as opened:
        yield opened


@contextmanager
def separate(plan: Plan, given: servers.Servers | None) -> Iterator[Installation]:
    """Each service a process, on the servers given or on our own."""
    with tempfile.TemporaryDirectory() as folder:
        if given is None:
            with servers.own_servers() as own, _on(own, plan, Path(folder)) as opened:
                yield opened
        else:
            with _on(given, plan, Path(folder)) as opened:
                yield opened


def ratios_of(layouts: Mapping[str, LayoutFigures]) -> dict[str, float]:
    """Return the ratios that stay comparable between machines; those of the separate services have no prefix."""
    ratios: dict[str, float] = {}
    for layout, figures in layouts.items():
        prefix = "" if layout == "separate" else f"{layout}_"
        for model in models.MODELS:
            answers, images_per_s = figures.pipeline[model].answers_per_s.median, figures.bare[model].median
            ratios[f"{prefix}pipeline_vs_bare_{model}"] = round(answers / images_per_s, 3)
        at = figures.doors
        ratios[f"{prefix}lookup_vs_bare"] = round(at.lookups_per_s.median / at.bare_lookups_per_s.median, 3)
        ratios[f"{prefix}submit_vs_bare"] = round(at.submits_per_s.median / at.bare_submits_per_s.median, 3)
        ratios[f"{prefix}keyed_submit_vs_bare"] = round(at.keyed_submits_per_s.median / at.bare_submits_per_s.median, 3)
    return ratios


def best_variants(rates: Mapping[str, list[bare.BareRate]]) -> dict[str, bare.Variant]:
    """Return the fastest variant of each model."""
    by_label = {variant.label: variant for variant in bare.variants()}
    return {model: by_label[bare.best(each).variant] for model, each in rates.items()}


def as_figures(
    rates: Mapping[str, list[bare.BareRate]],
    single_steps: Sequence[steps.Step],
    layouts: Mapping[str, LayoutFigures],
) -> dict[str, Any]:
    """Return everything measured, for the results file."""
    variants = {
        model: {"best": bare.best(each).variant, "runs": bare.as_figures(each)} for model, each in rates.items()
    }
    measured = {"bare_variants": variants, "steps": [asdict(step) for step in single_steps]}
    return {**measured, **{name: asdict(figures) for name, figures in layouts.items()}}


def _task(stamp: str, detector_id: str, pack: Path, count: int) -> pipeline.Task:
    return pipeline.Task(detector_id=detector_id, pack=pack, count=count, stamp=stamp)


@contextmanager
def _on(on: servers.Servers, plan: Plan, folder: Path) -> Iterator[Installation]:
    with installation.separate(
        folder, bus=on.bus, store=on.store, workers=plan.workers, servers=on.processes
    ) as opened:
        yield opened


def _memory_of(used: Usage) -> Memory:
    return Memory(round(used.own_peak_bytes / _MB, 1), round(used.children_peak_bytes / _MB, 1))
