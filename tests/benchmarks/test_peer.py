"""The peer does the same work as the platform: what it is compared with must not be cheaper, nor dearer.

Takes an environment of its own, a broker, a database and workers, hence the marker.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pymongo import MongoClient

from benchmarks import images, models
from benchmarks.peer import workers
from benchmarks.servers import own_servers
from services.inference.decode import decode, fit
from services.inference.onnx_engine import OnnxEngine
from services.inference.postprocess import classify
from services.inference.preprocess import empty_batch, write_row
from services.inference.readings import Reading
from tests.support.server import ROOT, clean_environment

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]


def ours(model: str, data: bytes) -> Reading:
    loaded = models.load(model)
    wanted = loaded.manifest.input
    batch = empty_batch(1, wanted)
    write_row(batch[0], fit(decode(data, max_pixels=50_000_000, wanted=wanted).pixels, wanted), wanted)
    (reading,) = classify(OnnxEngine(threads=1).load(loaded.data, loaded.manifest).run(batch), loaded.manifest)
    assert isinstance(reading, Reading)
    return reading


@pytest.mark.parametrize("model", models.MODELS)
def test_the_peer_answers_each_image_as_the_platform_does(model: str) -> None:
    pack, count = images.make(48), 6
    with own_servers() as servers, workers.running(workers.VARIANTS[0], model, servers) as peer:
        peer.measure(pack, count, "same")
        with MongoClient[dict[str, str]](peer.store) as client:
            found = [json.loads(each["result"]) for each in client.get_default_database()["celery_taskmeta"].find()]
    expected = [ours(model, images.stamped(data, "same")) for data in images.load(pack)[:count]]
    had = sorted((each["label"], each["confidence"]) for each in found)
    wanted = sorted((each.label, each.confidence) for each in expected)
    assert [label for label, _ in had] == [label for label, _ in wanted]
    assert np.allclose([sure for _, sure in had], [sure for _, sure in wanted], atol=1e-5)


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (["benchmarks.throughput", "--model", "small"], {"pipeline_vs_bare_small", "pipeline_vs_celery_small"}),
        (["benchmarks.growth"], {"two_workers_vs_one_small", "memory_growth_result_store"}),
    ],
)
def test_the_commands_measure_what_they_say(command: list[str], parts: set[str], tmp_path: Path) -> None:
    picture = ["--picture", str(tmp_path / "growth.png")] if command[0].endswith("growth") else []
    done = subprocess.run(
        [sys.executable, "-m", *command, "--quick", "--output", str(tmp_path / "latest.json"), *picture],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ratios = json.loads((tmp_path / "latest.json").read_text())["ratios"]
    assert parts <= set(ratios)
    assert all(ratio > 0 for ratio in ratios.values())
    assert not picture or (tmp_path / "growth.png").stat().st_size > 10_000
