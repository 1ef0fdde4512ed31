"""The tables of docs/performance.md, written between two marks from the results file; the prose around them is ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth import tables as growth_tables
from benchmarks.markdown import section, table

BEGIN = "<!-- figures: begin (written by `python -m benchmarks`) -->"
END = "<!-- figures: end -->"
_LAYOUTS = {"separate": "separate services on RabbitMQ and MongoDB", "embedded": "all in one process, embedded"}
_NOT_MEASURED = "-"


def write(path: Path, results: Mapping[str, Any]) -> None:
    """Replace what stands between the marks.

    Raises:
        ValueError: the marks are not there.
    """
    put_between(path, BEGIN, tables(results))


def put_between(path: Path, begin: str, text: str) -> None:
    """Replace what stands in a document between the line `begin` and the end of the figures.

    Raises:
        ValueError: the marks are not there.
    """
    before, mark, rest = path.read_text(encoding="utf-8").partition(begin)
    _, end_mark, after = rest.partition(END)
    if not mark or not end_mark:
        raise ValueError(f"{path} has no marks for the figures")
    path.write_text(f"{before}{begin}\n\n{text}\n{END}{after}", encoding="utf-8")


def tables(results: Mapping[str, Any]) -> str:
    """Return every table as Markdown."""
    figures = results["figures"]
    layouts = {name: figures[name] for name in _LAYOUTS if name in figures}
    parts = [
        _machine(results),
        section("Throughput", _throughput(layouts)),
        section("The bare loop", _bare(figures.get("bare_variants", {}))),
        section("The peer", _peer(figures.get("peer_variants", {}))),
        section("Processor milliseconds per query", _cpu(layouts)),
        section("Single steps, processor microseconds per query", _steps(figures.get("steps", ()))),
        section("One question at a time, milliseconds", _latency(layouts)),
        section("HTTP doors, requests per second", _doors(layouts)),
        section("Peak memory, MB", _memory(layouts)),
        section("Where the microseconds go, per query", _where(figures.get("where", {}))),
        *growth_tables.sections(figures.get("growth", {})),
        section("Ratios", table(("ratio", "value"), results["ratios"].items())),
    ]
    return "\n".join(filter(None, parts))


def _machine(results: Mapping[str, Any]) -> str:
    machine, method = results["machine"], results["method"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        f"Measured {results['made_at']} on {machine['processors']} processors ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}, {packages}; "
        f"load before the run {machine['load_before']}. {method['queries']} queries a run, "
        f"{method['repetitions']} repetitions, medians (runs in brackets).\n"
    )


def _throughput(layouts: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in layouts.items():
        for model, pipeline in figures.get("pipeline", {}).items():
            ours, bare = pipeline["answers_per_s"], figures["bare"][model]
            peer = figures.get("peer", {}).get(model, {}).get("answers_per_s")
            against = (_spread(peer), f"{ours['median'] / peer['median']:.2f}") if peer else (_NOT_MEASURED,) * 2
            ratio = f"{ours['median'] / bare['median']:.2f}"
            rows.append((_LAYOUTS[name], model, _spread(ours), _spread(bare), ratio, *against, pipeline["mean_batch"]))
    head = ("layout", "model", "answers/s", "bare loop, images/s", "ratio", "Celery, answers/s", "ratio")
    return table((*head, "messages per batch"), rows)


def _bare(variants: Mapping[str, Any]) -> str:
    rows = [
        (model, run["variant"], f"{run['images_per_s']:.0f}", f"{run['cpu_ms_per_image']:.2f}")
        for model, found in variants.items()
        for run in found["runs"]
    ]
    return table(("model", "processes x threads", "images/s", "processor ms per image"), rows)


def _peer(variants: Mapping[str, Any]) -> str:
    rows = [
        (model, run["variant"], f"{run['answers_per_s']:.0f}", "best" if run["variant"] == found["best"] else "")
        for model, found in variants.items()
        for run in found["runs"]
    ]
    return table(("model", "commands x pool", "answers/s", ""), rows)


def _cpu(layouts: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in layouts.items():
        for kind, label in (("pipeline", _LAYOUTS[name]), ("peer", "Celery")):
            for model, run in figures.get(kind, {}).items():
                used = run["cpu_ms_per_query"]
                rows += [(label, model, part, f"{ms:.2f}") for part, ms in used.items()]
                rows.append((label, model, "together", f"{sum(used.values()):.2f}"))
    return table(("layout", "model", "process", "processor ms"), rows)


def _where(models: Mapping[str, Any]) -> str:
    columns = [(model, service) for model, found in models.items() for service in found["microseconds_per_query"]]
    used = [models[model]["microseconds_per_query"][service] for model, service in columns]
    kinds = sorted({kind for each in used for kind in each}, key=lambda kind: -max(each.get(kind, 0) for each in used))
    rows = [(kind, *(each.get(kind, 0) for each in used)) for kind in kinds]
    counts = [
        f"{model}: {', '.join(f'{name} {number:.2f}' for name, number in found['messages_per_query'].items())}"
        for model, found in models.items()
        if found["messages_per_query"]
    ]
    said = f"\nMessages per query by the broker's own counts: {'; '.join(counts)}.\n" if counts else ""
    return table(("", *(f"{service}, {model}" for model, service in columns)), rows) + said


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    rows = [(step["service"], step["what"], f"{step['cpu_us']:.0f}") for step in steps]
    return table(("service", "step", "microseconds"), rows)


def _latency(layouts: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in layouts.items():
        for model, delays in figures.get("latency", {}).items():
            cells = [_delays(delays[kind]) for kind in ("accepted", "answered", "woken")]
            rows.append((_LAYOUTS[name], model, *cells))
    head = ("layout", "model", "accepted, median / p99", "answer at the reader", "reader woken after the write")
    return table(head, rows)


def _doors(layouts: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in layouts.items():
        doors = figures.get("doors")
        if not doors:
            continue
        pairs = (
            ("lookup by ID", "lookups_per_s", "bare_lookups_per_s"),
            ("submit 28 kB", "submits_per_s", "bare_submits_per_s"),
            ("submit 28 kB with a key", "keyed_submits_per_s", "bare_submits_per_s"),
            ("submit 28 kB while it is answered", "answered_submits_per_s", "bare_submits_per_s"),
        )
        for label, ours, bare in pairs:
            if ours not in doors:
                continue
            ratio = doors[ours]["median"] / doors[bare]["median"]
            rows.append((_LAYOUTS[name], label, _spread(doors[ours]), _spread(doors[bare]), f"{ratio:.2f}"))
    return table(("layout", "request", "ours", "bare route", "ratio"), rows)


def _memory(layouts: Mapping[str, Any]) -> str:
    rows = [
        (_LAYOUTS[name], service, f"{used['own_mb']:.0f}", f"{used['children_mb']:.0f}")
        for name, figures in layouts.items()
        for service, used in figures.get("memory", {}).items()
    ]
    return table(("layout", "process", "own", "children"), rows)


def _spread(spread: Mapping[str, Any]) -> str:
    return f"{spread['median']:.0f} ({', '.join(f'{run:.0f}' for run in spread['runs'])})"


def _delays(delays: Mapping[str, Any] | None) -> str:
    return _NOT_MEASURED if delays is None else f"{delays['median_ms']:.1f} / {delays['p99_ms']:.1f}"
