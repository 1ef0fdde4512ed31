"""How much is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import bare, models
from benchmarks.peer import workers

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`queries` a run, `repetitions` of each; `variant_queries` to find out which variant of the peer is best."""

    queries: int
    repetitions: int
    variant_queries: int
    bare_s: float
    singles: int
    doors_s: float
    step_s: float
    batches: Sequence[int] = bare.BATCHES
    peers: Sequence[workers.Variant] = workers.VARIANTS
    models: Sequence[str] = models.MODELS
    workers: int = 1


FULL = Plan(queries=3000, repetitions=3, variant_queries=600, bare_s=3.0, singles=300, doors_s=4.0, step_s=0.3)
QUICK = Plan(
    queries=48,
    repetitions=1,
    variant_queries=16,
    bare_s=0.2,
    singles=8,
    doors_s=0.2,
    step_s=0.01,
    batches=(8,),
    peers=workers.VARIANTS[:1],
)
