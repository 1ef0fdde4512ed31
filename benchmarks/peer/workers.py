"""The peer's workers, and what they do per second."""

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from benchmarks import images, models, waiting
from benchmarks.figures import PeerRun
from benchmarks.folders import ROOT, cache
from benchmarks.publisher import Questions, publishing
from benchmarks.servers import Servers
from benchmarks.usage import usage_of
from infra.local.environments import python_of
from services.inference.decode import reduction
from services.kit.images import ImageFacts

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_RESULTS = "celery_taskmeta"
_START_S = 60.0
_STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to run the peer: `workers` commands, each with a pool of `concurrency`."""

    workers: int
    pool: str
    concurrency: int
    prefetch_multiplier: int

    @property
    def label(self) -> str:
        """E.g. `1 x prefork of 2, prefetch multiplier 1`."""
        return f"{self.workers} x {self.pool} of {self.concurrency}, prefetch multiplier {self.prefetch_multiplier}"


VARIANTS = (
    Variant(1, "prefork", 2, 1),
    Variant(1, "prefork", 2, 16),
    Variant(1, "prefork", 4, 1),
    Variant(2, "solo", 1, 16),
    Variant(2, "threads", 2, 16),
)
"""Two workers each, or twice as many where they wait for the database: by processes (multiplier 1 is what the
documentation says for late acknowledgement, a larger one what it says for short tasks), alone, and by threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Running workers for one model."""

    variant: Variant
    model: str
    queue: str
    servers: Servers
    store: str
    pids: list[int] = field(default_factory=list)

    def measure(self, pack: Path, count: int, stamp: str) -> PeerRun:
        """Ask `count` questions; return the rate from the first one published to the last result stored.

        Raises:
            RuntimeError: not as many results are stored as questions were asked.
        """
        questions = Questions(to="peer", targets=[self.queue], pack=pack, count=count, stamp=stamp)
        with MongoClient[dict[str, Any]](self.store) as client, publishing(self.servers.bus, questions) as publisher:
            results = client.get_default_database()[_RESULTS]
            had, before = _successes(results), self._cpu_s(publisher.pid)
            began = time.perf_counter()
            publisher.start()
            ended = waiting.until(results.estimated_document_count, had + count, began)
            after = self._cpu_s(publisher.pid)
            published_s = publisher.finish()
            if (found := _successes(results) - had) != count:
                raise RuntimeError(f"the peer was asked {count} questions and {found} results are stored")
        cpu = {name: (after[name] - before[name]) / count * 1000 for name in before}
        return PeerRun(count / (ended - began), count / published_s, cpu)

    def _cpu_s(self, publisher: int) -> dict[str, float]:
        used = {name: usage_of(pid).cpu_s for name, pid in {**self.servers.processes, "publisher": publisher}.items()}
        return {"workers": sum(usage_of(pid).cpu_s for pid in self.pids), **used}


@contextmanager
def running(variant: Variant, model: str, servers: Servers) -> Iterator[Peer]:
    """Run the workers; leaving ends them. Makes their environment when it is missing, which needs PyPI."""
    python = python_of(_REQUIREMENTS, group="benchmarks", name="celery")
    name = f"peer-{model}-{variant.workers}-{variant.pool}-{variant.concurrency}-{variant.prefetch_multiplier}"
    peer = Peer(variant=variant, model=model, queue=name, servers=servers, store=servers.with_database(name).store)
    environment = {**os.environ, "PEER_SETTINGS": json.dumps(_settings(peer))}
    options = ["--pool", variant.pool, "--concurrency", str(variant.concurrency), "--loglevel", "WARNING"]
    options += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = [str(python), "-m", "celery", "--quiet", "--app", "benchmarks.peer.tasks", "worker", *options]
    log = cache() / f"{name}.log"
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("wb"))
        for number in range(variant.workers):
            process = subprocess.Popen(
                [*command, "--hostname", f"{number}@{name}"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            stack.enter_context(process)
            stack.callback(_end, process)
            _wait_until_ready(process, log)
            peer.pids.append(process.pid)
        yield peer


def _settings(peer: Peer) -> dict[str, Any]:
    loaded = models.load(peer.model)
    wanted = loaded.manifest.input
    file = cache() / f"{peer.model}.onnx"
    file.write_bytes(loaded.data)
    return {
        "broker": peer.servers.bus,
        "results": _majority(peer.store),
        "queue": peer.queue,
        "prefetch_multiplier": peer.variant.prefetch_multiplier,
        "model": str(file),
        "threads": 1,
        "scale": reduction(ImageFacts("image/jpeg", images.WIDTH, images.HEIGHT), wanted),
        "width": wanted.width,
        "height": wanted.height,
        "mean": wanted.mean,
        "std": wanted.std,
        "labels": loaded.labels,
    }


def _successes(results: "Collection[dict[str, Any]]") -> int:
    majority = results.with_options(read_concern=ReadConcern("majority"))
    return majority.count_documents({"status": "SUCCESS"})


def _majority(store: str) -> str:
    parts = urlsplit(store)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, "w=majority&journal=true")))))


def _wait_until_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], _START_S)[0] or process.stdout.readline() != b"ready\n":
        raise RuntimeError(f"a worker of the peer did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
