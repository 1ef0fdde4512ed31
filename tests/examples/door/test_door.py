import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from examples.door import make_video, sampling, scenes, train
from examples.door.network import softmax, to_onnx
from examples.door.preprocess import MANIFEST, recompress, to_input

FOLDER = Path(train.__file__).parent
MODEL = FOLDER / "door.onnx"
VIDEO = FOLDER / "door.mp4"
# Neither trained on nor among the scenes that train.py reports on.
FIRST_SEED = 3_000_000


@cache
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "door.manifest.json").read_text(encoding="utf-8"))
    return content


@cache
def truth() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "door.truth.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(MODEL.read_bytes(), options, providers=["CPUExecutionProvider"])


def answers(session: ort.InferenceSession, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(session.run(["logits"], {"image": inputs})[0], np.float32)


@cache
def unseen() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    labels = np.arange(400) % 2
    pictures = [scenes.render(FIRST_SEED + i, is_open=bool(label)) for i, label in enumerate(labels)]
    inputs = [to_input(recompress(picture, 90), manifest()) for picture in pictures]
    return np.concatenate(inputs), labels.astype(np.int64)


def frames() -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(VIDEO))
    found: list[NDArray[np.uint8]] = []
    while True:
        read, frame = capture.read()
        if not read:
            capture.release()
            return found
        found.append(np.asarray(frame, np.uint8))


def silent(_line: str) -> None:
    pass


def test_the_committed_graph_is_small_and_valid() -> None:
    assert MODEL.stat().st_size < 300_000
    model = onnx.load(MODEL)
    onnx.checker.check_model(model, full_check=True)
    (entry,) = model.graph.input
    (exit_,) = model.graph.output
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (entry, exit_)]
    size = manifest()["input"]
    assert (entry.name, exit_.name) == ("image", "logits")
    assert shapes == [["N", 3, size["height"], size["width"]], ["N", 2]]


def test_the_committed_manifest_is_the_one_trained_with() -> None:
    assert manifest() == MANIFEST


def test_unseen_scenes_are_answered(session: ort.InferenceSession) -> None:
    inputs, labels = unseen()
    logits = answers(session, inputs)
    right = logits.argmax(axis=1) == labels
    assert right.mean() >= 0.97
    assert (softmax(logits).max(axis=1)[right] >= 0.9).mean() > 0.8


def test_a_batch_is_answered_like_its_members(session: ort.InferenceSession) -> None:
    inputs = unseen()[0][:16]
    singly = np.concatenate([answers(session, one[None]) for one in inputs])
    np.testing.assert_allclose(answers(session, inputs), singly, rtol=1e-4, atol=1e-4)


def test_the_video_has_a_truth_for_every_frame() -> None:
    rows = truth()["frames"]
    assert [row["index"] for row in rows] == list(range(len(frames())))
    assert {row["open"] for row in rows} == {False, True}
    assert (truth()["video"], truth()["fps"]) == (VIDEO.name, make_video.FPS)
    assert VIDEO.stat().st_size < 1_000_000


def test_the_video_is_answered(session: ort.InferenceSession) -> None:
    inputs = np.concatenate([to_input(frame, manifest()) for frame in frames()])
    labels = np.array([int(row["open"]) for row in truth()["frames"]])
    assert (answers(session, inputs).argmax(axis=1) == labels).mean() >= 0.95


def test_the_video_shows_what_the_code_renders() -> None:
    rendered = list(scenes.sequence(make_video.SEED, frames=make_video.FRAMES, fps=make_video.FPS))
    decoded = frames()
    assert [is_open for _, is_open in rendered] == [row["open"] for row in truth()["frames"]]
    for (frame, _), seen in zip(rendered[::30], decoded[::30], strict=True):
        # The codec loses some detail.
        assert np.abs(frame.astype(int) - seen.astype(int)).mean() < 10


def test_rendering_is_deterministic() -> None:
    first, again, other = (scenes.render(seed, is_open=True) for seed in (7, 7, 8))
    assert first.shape == (240, 320, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_sequence_is_deterministic() -> None:
    once, twice = (list(scenes.sequence(5, frames=4, fps=1)) for _ in range(2))
    assert all(np.array_equal(a, b) and x == y for (a, x), (b, y) in zip(once, twice, strict=True))


def test_people_leave_most_of_the_door_in_view() -> None:
    crowded = [s for s in (sampling.sample(seed, max_hidden=scenes.MAX_HIDDEN) for seed in range(60)) if s.people]
    assert crowded
    assert all(scenes.hidden_share(scene) <= scenes.MAX_HIDDEN for scene in crowded)
    assert scenes.hidden_share(replace(crowded[0], people=())) == 0


def test_no_frame_of_the_video_hides_or_blurs_the_answer() -> None:
    for scene in scenes.moments(make_video.SEED, frames=make_video.FRAMES, fps=make_video.FPS):
        assert scene.door.angle <= scenes.SHUT_MAX or scene.door.angle >= scenes.OPEN_MIN
        assert scenes.hidden_share(scene) <= 0.6


def test_training_twice_gives_the_same_bytes() -> None:
    def graph() -> bytes:
        pictures, labels = train.examples(train.training_cases(96), silent)
        network = train.train(pictures, labels, epochs=2, report=silent)
        return bytes(to_onnx(network).SerializeToString(deterministic=True))

    assert graph() == graph()
