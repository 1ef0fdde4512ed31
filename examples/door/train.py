"""Trains the door classifier on rendered scenes and writes door.onnx and door.manifest.json beside this file."""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The order in which a BLAS library sums depends on its thread count; with one thread, runs agree to the last bit.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
# ONNX Runtime reports to its maker unless told not to before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Run as a script, the search path starts at this folder, not at the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from examples.door import scenes
from examples.door.camera import Image
from examples.door.network import Adam, Network, softmax, to_onnx
from examples.door.preprocess import MANIFEST, normalise, recompress, shrink, to_input

FOLDER = Path(__file__).resolve().parent
MODEL = FOLDER / "door.onnx"
MANIFEST_FILE = FOLDER / "door.manifest.json"
VIDEO = FOLDER / "door.mp4"
TRUTH = FOLDER / "door.truth.json"

# Seeds from UNSEEN on are never trained on.
TRAINING_SEEDS = 6000
UNSEEN = 1_000_000
UNSEEN_SCENES = 2000
CHANNELS = (16, 32, 48, 48)
EPOCHS = 9
BATCH = 64
PEAK_RATE = 4e-3
Say = Callable[[str], None]


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


def training_cases(seeds: int) -> list[tuple[int, bool]]:
    """(seed, is_open): every scene shut, then the same scene open, so that only the door tells them apart."""
    return [(seed, is_open) for seed in range(seeds) for is_open in (False, True)]


def unseen_cases(scenes_wanted: int) -> list[tuple[int, bool]]:
    """(seed, is_open): every scene once, shut and open in turn."""
    return [(UNSEEN + index, index % 2 == 1) for index in range(scenes_wanted)]


def _picture(case: tuple[int, bool]) -> Image:
    seed, is_open = case
    return shrink(recompress(scenes.render(seed, is_open=is_open), 85 + seed % 11))


def examples(cases: Sequence[tuple[int, bool]], report: Say = say) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Scenes after JPEG as (N, height, width, 3) RGB of the model's size, and labels (N,), 1 for open."""
    pictures: list[Image] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for picture in pool.map(_picture, cases):
            pictures.append(picture)
            if len(pictures) % 1000 == 0:
                report(f"  rendered {len(pictures)} of {len(cases)} scenes")
    return np.stack(pictures), np.array([int(is_open) for _, is_open in cases], np.int64)


def _varied(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """A batch mirrored and in other light at random; a mirrored door is still as open."""
    batch = normalise(pictures)
    mirrored = rng.random(len(batch)) < 0.5
    batch[mirrored] = batch[mirrored, :, ::-1]
    gain = rng.uniform(0.8, 1.2, (len(batch), 1, 1, 1)).astype(np.float32)
    shift = rng.uniform(-0.2, 0.2, (len(batch), 1, 1, 3)).astype(np.float32)
    return np.asarray(batch * gain + shift, np.float32)


def _pairs_order(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random order of 0..count-1 that keeps 2k and 2k+1, one scene shut and open, side by side."""
    pairs = rng.permutation(count // 2)
    return np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()


def train(
    pictures: NDArray[np.uint8], labels: NDArray[np.int64], *, epochs: int, seed: int = 1, report: Say = say
) -> Network:
    """Fit a network to pictures in the order of `training_cases`; equal arguments give equal weights."""
    rng = np.random.default_rng(seed)
    size = MANIFEST["input"]
    network = Network.initial(size["height"], size["width"], CHANNELS, rng)
    adam = Adam(network.weights + network.biases)
    steps = len(pictures) // BATCH
    for epoch in range(epochs):
        order = _pairs_order(len(pictures), rng)
        total = 0.0
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            loss, gradients = network.gradients(_varied(pictures[chosen], rng), labels[chosen])
            progress = (epoch + step / steps) / epochs
            adam.step(gradients, PEAK_RATE * 0.5 * (1 + math.cos(math.pi * progress)))
            total += loss
        report(f"  epoch {epoch + 1} of {epochs}: loss {total / steps:.4f}")
    return network


def chances(session: ort.InferenceSession, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probabilities (N, 2) of NO and YES."""
    return softmax(np.asarray(session.run(["logits"], {"image": inputs})[0], np.float32))


def video_examples() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The inputs and labels of the video's frames, as decoded from the file."""
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    capture = cv2.VideoCapture(str(VIDEO))
    inputs = []
    while True:
        read, frame = capture.read()
        if not read:
            break
        inputs.append(to_input(np.asarray(frame, np.uint8)))
    capture.release()
    return np.concatenate(inputs), np.array([int(frame["open"]) for frame in truth["frames"]], np.int64)


def _report(name: str, found: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    right = found.argmax(axis=1) == labels
    sure = found.max(axis=1)[right] >= 0.9
    say(f"{name}: accuracy {right.mean():.4f} of {len(labels)}; {sure.mean():.3f} of the right ones at 0.9 or above")


def _check_batches(session: ort.InferenceSession, inputs: NDArray[np.float32]) -> None:
    together = session.run(["logits"], {"image": inputs})[0]
    singly = np.concatenate([session.run(["logits"], {"image": one[None]})[0] for one in inputs])
    np.testing.assert_allclose(together, singly, rtol=1e-4, atol=1e-4)


def evaluate(model: onnx.ModelProto) -> None:
    """Print the accuracy of a graph on unseen scenes and on the video."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    pictures, labels = examples(unseen_cases(UNSEEN_SCENES))
    inputs = np.ascontiguousarray(normalise(pictures).transpose(0, 3, 1, 2))
    _check_batches(session, inputs[:64])
    _report("unseen scenes", chances(session, inputs), labels)
    if VIDEO.exists():
        frames, truth = video_examples()
        _report("video", chances(session, frames), truth)
    else:
        say("video: absent; make_video.py renders it")


def main() -> None:
    """Render, train, write, evaluate."""
    cv2.setNumThreads(1)
    start = time.monotonic()
    say(f"rendering {2 * TRAINING_SEEDS} scenes")
    pictures, labels = examples(training_cases(TRAINING_SEEDS))
    say(f"training, after {time.monotonic() - start:.0f} s")
    model = to_onnx(train(pictures, labels, epochs=EPOCHS))
    MODEL.write_bytes(model.SerializeToString(deterministic=True))
    MANIFEST_FILE.write_text(json.dumps(MANIFEST, indent=2) + "\n", encoding="utf-8")
    say(f"wrote {MODEL.name} ({MODEL.stat().st_size} bytes) after {time.monotonic() - start:.0f} s; evaluating")
    evaluate(model)


if __name__ == "__main__":
    main()
