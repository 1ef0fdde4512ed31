"""Answers per second: the platform, the bare loop and the peer, in turn. `python -m benchmarks.throughput`."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import bare, layouts, pipeline
from benchmarks.figures import PeerRun, PipelineRun, peer_of, pipeline_of, spread_of
from benchmarks.installation import Installation
from benchmarks.peer import workers
from benchmarks.plan import Plan, Say
from benchmarks.servers import Servers

_WARM_UP = 64


def find_best_bare(plan: Plan, pack: Path, say: Say) -> tuple[dict[str, bare.Variant], dict[str, Any]]:
    """Measure every variant of the bare loop; return the best one of each model, and the figures."""
    best: dict[str, bare.Variant] = {}
    figures: dict[str, Any] = {}
    for model in plan.models:
        rates = []
        for variant in bare.variants(plan.batches):
            rates.append(bare.measure(model, pack, variant, seconds=plan.bare_s))
            say(f"bare {model}, {variant.label}: {rates[-1].images_per_s:.0f} images/s")
        chosen = bare.best(rates)
        best[model] = next(variant for variant in bare.variants(plan.batches) if variant.label == chosen.variant)
        figures[model] = {"best": chosen.variant, "runs": bare.as_figures(rates)}
    return best, figures


def find_best_peer(
    plan: Plan, servers: Servers, pack: Path, say: Say
) -> tuple[dict[str, workers.Variant], dict[str, Any]]:
    """Measure every variant of the peer briefly; return the best one of each model, and the figures."""
    best: dict[str, workers.Variant] = {}
    figures: dict[str, Any] = {}
    for model in plan.models:
        rates: dict[workers.Variant, float] = {}
        for variant in plan.peers:
            with workers.running(variant, model, servers) as peer:
                peer.measure(pack, min(plan.queries, _WARM_UP), f"peer {model} warm-up")
                rates[variant] = peer.measure(pack, plan.variant_queries, f"peer {model} choice").answers_per_s
            say(f"peer {model}, {variant.label}: {rates[variant]:.0f} answers/s")
        best[model] = max(rates, key=rates.__getitem__)
        runs = [{"variant": variant.label, "answers_per_s": round(rate, 1)} for variant, rate in rates.items()]
        figures[model] = {"best": best[model].label, "runs": runs}
    return best, figures


def measure(
    name: str,
    opened: Installation,
    plan: Plan,
    *,
    detectors: Mapping[str, str],
    pack: Path,
    best_bare: Mapping[str, bare.Variant],
    best_peer: Mapping[str, workers.Variant] | None = None,
    say: Say,
) -> dict[str, Any]:
    """Measure one running platform, between its repetitions the bare loop and the peer; return the figures.

    `detectors` are those of the models, by the models' names.
    """
    bare_rates: dict[str, list[float]] = {model: [] for model in plan.models}
    runs: dict[str, list[PipelineRun]] = {model: [] for model in plan.models}
    peer_runs: dict[str, list[PeerRun]] = {model: [] for model in plan.models}
    with ExitStack() as stack:
        peers = {
            model: stack.enter_context(workers.running(variant, model, layouts.servers_of(opened)))
            for model, variant in (best_peer or {}).items()
        }
        for model, detector_id in detectors.items():  # loads the model and starts the decoders
            pipeline.measure(opened, _task(f"{name} {model} warm-up", detector_id, pack, min(plan.queries, _WARM_UP)))
        for model, peer in peers.items():
            peer.measure(pack, min(plan.queries, _WARM_UP), f"peer {model} warm-up")
        for repetition in range(plan.repetitions):
            for model, detector_id in detectors.items():
                stamp = f"{name} {model} {repetition}"
                rate = bare.measure(model, pack, best_bare[model], seconds=plan.bare_s)
                bare_rates[model].append(rate.images_per_s)
                runs[model].append(pipeline.measure(opened, _task(stamp, detector_id, pack, plan.queries)))
                said = f"{stamp}: {runs[model][-1].answers_per_s:.0f} answers/s, bare {rate.images_per_s:.0f}"
                if model in peers:
                    peer_runs[model].append(peers[model].measure(pack, plan.queries, f"peer {stamp}"))
                    said += f", peer {peer_runs[model][-1].answers_per_s:.0f}"
                say(said)
    return {
        "bare": {model: asdict(spread_of(rates)) for model, rates in bare_rates.items()},
        "pipeline": {model: asdict(pipeline_of(plan.queries, each)) for model, each in runs.items()},
        "peer": {model: asdict(peer_of(peer.variant.label, peer_runs[model])) for model, peer in peers.items()},
    }


def _task(stamp: str, detector_id: str, pack: Path, count: int) -> pipeline.Task:
    return pipeline.Task(detector_id=detector_id, pack=pack, count=count, stamp=stamp)


if __name__ == "__main__":
    from benchmarks.command import run_part

    run_part("throughput")
