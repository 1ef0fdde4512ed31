"""The figures that are measured, and what is made of repetitions."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of repetitions and the repetitions."""

    median: float
    runs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Delays:
    """A distribution of delays, in milliseconds."""

    median_ms: float
    p99_ms: float
    samples: int


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run of the pipeline.

    `cpu_ms_per_query` has the services, and `publisher`, `broker` and `database` where they are processes here.
    """

    answers_per_s: float
    published_per_s: float
    mean_batch: float
    cpu_ms_per_query: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The repetitions of the pipeline with one model; processor times are medians."""

    queries: int
    answers_per_s: Spread
    published_per_s: Spread
    mean_batch: float
    cpu_ms_per_query: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PeerRun:
    """One run of the peer; processor times as in `PipelineRun`, all of its workers together."""

    answers_per_s: float
    published_per_s: float
    cpu_ms_per_query: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Peer:
    """The repetitions of the peer with one model, in the variant that was fastest before."""

    variant: str
    answers_per_s: Spread
    published_per_s: Spread
    cpu_ms_per_query: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak resident set of a service's processes, its children's apart."""

    own_mb: float
    children_mb: float


@dataclass(frozen=True, slots=True)
class Doors:
    """What the HTTP doors did per second, and the bare routes; `answered`: while what was submitted was answered."""

    lookups_per_s: Spread
    bare_lookups_per_s: Spread
    submits_per_s: Spread
    keyed_submits_per_s: Spread
    answered_submits_per_s: Spread
    bare_submits_per_s: Spread


def spread_of(values: Sequence[float], digits: int = 1) -> Spread:
    """Return the repetitions, rounded, with their median."""
    return Spread(round(statistics.median(values), digits), tuple(round(value, digits) for value in values))


def delays_of(seconds: Sequence[float]) -> Delays:
    """Return the distribution of delays given in seconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return Delays(round(statistics.median(ordered) * 1000, 3), round(p99 * 1000, 3), len(ordered))


def peer_of(variant: str, runs: Sequence[PeerRun]) -> Peer:
    """Return repetitions as one figure."""
    return Peer(
        variant=variant,
        answers_per_s=spread_of([run.answers_per_s for run in runs]),
        published_per_s=spread_of([run.published_per_s for run in runs]),
        cpu_ms_per_query=_medians([run.cpu_ms_per_query for run in runs]),
    )


def pipeline_of(queries: int, runs: Sequence[PipelineRun]) -> Pipeline:
    """Return repetitions as one figure."""
    return Pipeline(
        queries=queries,
        answers_per_s=spread_of([run.answers_per_s for run in runs]),
        published_per_s=spread_of([run.published_per_s for run in runs]),
        mean_batch=round(statistics.median(run.mean_batch for run in runs), 1),
        cpu_ms_per_query=_medians([run.cpu_ms_per_query for run in runs]),
    )


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
