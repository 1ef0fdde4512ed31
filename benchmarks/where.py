"""Where the processor time of each service goes: `python -m benchmarks.where PY_SPY`.

PY_SPY is the profiler, of an environment of its own. It samples the services while questions are answered, and each
sample counts for the innermost frame that `KINDS` knows. What a service used per query is shared out by the samples.
The broker's own counts say how many messages a query takes.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import command, layouts, machine, pipeline
from benchmarks.installation import Installation
from benchmarks.plan import Plan
from infra.local.errors import ServerMissingError
from infra.local.management import Management

KINDS: Mapping[str, Sequence[str]] = {
    "the model": ("onnxruntime/", "inference/onnx_engine.py"),
    "decoding and resizing": ("inference/decode.py", "inference/preprocess.py", "kit/images.py"),
    "pipes to the decoders": ("inference/decod", "inference/child"),
    "AMQP driver": ("aiormq/", "pamqp/", "aio_pika/"),
    "MongoDB driver": ("pymongo/", "motor/", "bson/", "gridfs/"),
    "messages read and written": ("kit/bus/codec.py", "contracts/", "pydantic/"),
    "our bus and consume loop": ("services/kit/bus/",),
    "our store": ("services/kit/store/",),
    "fold": ("result_store/fold.py", "result_store/facts.py"),
    "answering": ("services/inference/",),
    "result store": ("services/result_store/",),
    "metrics and logs": ("prometheus_client/", "structlog/", "logging/"),
    "threads": ("concurrent/", "threading.py", "queue.py"),
    "event loop": ("asyncio/", "uvloop", "uvicorn/", "selectors.py"),
}
"""What frames of which files mean, the more special first."""
_OTHER = "other"
_WAITING = ("wait (", "_worker (")
"""Innermost functions of threads that have nothing to do, which the profiler now and then takes for busy."""
_ASLEEP = "PeriodicExecutor._run ("
"""MongoDB's driver watches its servers in threads that sleep nearly always, in functions that do not tell."""
_SERVICES = ("inference", "result_store")
_SAMPLES_PER_S = 100
_WRITE_S = 60.0
_SETTLE_S = 6.0
"""The broker sums its counts up every five seconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = command.options("python -m benchmarks.where")
    parser.add_argument("py_spy", type=Path, help="the program py-spy")
    given = command.parse(parser, arguments)
    plan, facts = command.plan_of(given), machine.describe()
    try:
        with layouts.open_servers(command.servers_of(given)) as on, layouts.separate(on) as opened:
            found = {model: _profile(opened, on.management, given.py_spy, plan, model) for model in plan.models}
    except ServerMissingError as error:
        print(error, file=sys.stderr)
        return 1
    command.write(given, "where", {"where": found}, facts)
    return 0


def _profile(opened: Installation, broker: Management | None, py_spy: Path, plan: Plan, model: str) -> dict[str, Any]:
    pack, detector_id = command.pack_of(plan), layouts.prepared(opened, [model])[model]

    def ask(count: int, stamp: str) -> dict[str, float]:
        task = pipeline.Task(detector_id=detector_id, pack=pack, count=count, stamp=f"{stamp} {model}")
        return dict(pipeline.measure(opened, task).cpu_ms_per_query)

    ask(min(plan.queries, 64), "where warm-up")
    time.sleep(_SETTLE_S)
    before = broker.message_counts() if broker else {}
    used = ask(plan.queries, "where alone")
    time.sleep(_SETTLE_S)
    after = broker.message_counts() if broker else {}
    with tempfile.TemporaryDirectory() as folder:
        with ExitStack() as stack:
            for service in _SERVICES:
                stack.enter_context(_sampled(py_spy, _pid(opened, service), Path(folder) / service))
            ask(plan.queries, "where sampled")
        shares = {service: shares_of((Path(folder) / service).read_text().splitlines()) for service in _SERVICES}
    microseconds = {
        service: {kind: round(share * used[service] * 1000) for kind, share in found.items()}
        for service, found in shares.items()
    }
    return {
        "microseconds_per_query": microseconds,
        "cpu_ms_per_query": used,
        "messages_per_query": {name: round((after[name] - before[name]) / plan.queries, 3) for name in before},
    }


def _pid(opened: Installation, service: str) -> int:
    return next(process.pid for process in opened.processes if process.service == service)


@contextmanager
def _sampled(py_spy: Path, pid: int, output: Path) -> Iterator[None]:
    """Run the profiler beside a process and its children until the block ends."""
    options = ["--subprocesses", "--format", "raw", "--rate", str(_SAMPLES_PER_S), "--full-filenames"]
    command_line = [str(py_spy), "record", *options, "--output", str(output), "--pid", str(pid)]
    with subprocess.Popen(command_line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl-C does: then it writes what it has
            process.wait(_WRITE_S)


def shares_of(stacks: Sequence[str]) -> dict[str, float]:
    """Return the share of each kind in sampled stacks, `outer;...;inner count` each, the largest first."""
    counts: Counter[str] = Counter()
    for stack in stacks:
        text, _, count = stack.rpartition(" ")
        frames = text.split(";")
        if not frames[-1].startswith(_WAITING) and _ASLEEP not in text:
            counts[_kind_of(frames)] += int(count)
    total = max(1, counts.total())
    return {kind: count / total for kind, count in counts.most_common()}


def _kind_of(frames: Sequence[str]) -> str:
    return next(_kinds(frames), _OTHER)


def _kinds(frames: Sequence[str]) -> Iterator[str]:
    for frame in reversed(frames):
        for kind, marks in KINDS.items():
            if any(mark in frame for mark in marks):
                yield kind


if __name__ == "__main__":
    sys.exit(main())
