"""The drill's questions have the answers that it says they have."""

import hashlib
import signal
import subprocess
import sys

import pytest

from infra.drill import make_model, task
from services.inference.decode import decode
from services.kit.errors import Refused
from services.kit.images import inspect
from tests.support.server import ROOT

INLINE_BYTES = 64 * 1024


def test_the_model_is_the_one_that_its_script_makes() -> None:
    assert make_model.make() == task.model()


def test_images_are_distinct_and_lie_where_their_label_says() -> None:
    images = [task.image(number) for number in range(40)]
    assert len({hashlib.sha256(data).hexdigest() for data, _ in images}) == 40
    for number, (data, label) in enumerate(images):
        mean = decode(data, max_pixels=10**6).pixels.mean()
        assert task.LABELS[int(mean / 255 * len(task.LABELS))] == label == task.label_of(number)


def test_some_images_travel_by_reference() -> None:
    sizes = [len(task.image(number)[0]) > INLINE_BYTES for number in range(100)]
    assert sum(sizes) == 100 / task.LARGE_EVERY


def test_a_corrupt_image_passes_the_door_and_cannot_be_decoded() -> None:
    assert inspect(task.corrupt(7), max_pixels=10**6).media_type == "image/png"
    assert task.corrupt(7) != task.corrupt(8)
    with pytest.raises(Refused, match=task.CORRUPT):
        decode(task.corrupt(7), max_pixels=10**6)


def test_a_lethal_image_ends_the_process_that_runs_the_model_on_it_and_no_other_does() -> None:
    assert inspect(task.lethal(7), max_pixels=10**6).media_type == "image/jpeg"
    assert task.lethal(7) != task.lethal(8)
    script = (
        "from infra.drill import task; from services.inference.decode import decode; "
        "from services.inference.onnx_engine import OnnxEngine; import numpy as np; "
        "model = OnnxEngine(1).load(task.model(), task.manifest()); "
        "run = lambda data: model.run("
        "np.full((1, 1, 8, 8), decode(data, max_pixels=10**6).pixels.mean() / 255, np.float32)).argmax(); "
        "print([int(run(task.image(n)[0])) for n in range(20)], flush=True); run(task.lethal(7))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert ended.stdout.decode().strip() == str([*range(10)] * 2)
    assert ended.returncode == (-signal.SIGFPE if task.LETHAL_HERE else 0)
