"""A task whose answers are known: ten levels of grey, and a model that tells them apart."""

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contracts.http.models import Manifest, ManifestInput, ManifestOutput

LABELS = tuple(f"level {number}" for number in range(10))
_SIDE = 8


def manifest() -> Manifest:
    """Return the manifest of the model."""
    return Manifest(
        input=ManifestInput(width=_SIDE, height=_SIDE, color="gray"),
        output=ManifestOutput(labels=LABELS, activation="softmax"),
    )


def model() -> bytes:
    """Return an ONNX model: logits fall with the squared distance of the mean from each level."""
    levels = np.array([[(number + 0.5) / 10 for number in range(10)]], dtype=np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean4"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Flatten", ["mean4"], ["mean"]),
        helper.make_node("Sub", ["mean", "levels"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["squared"]),
        helper.make_node("Mul", ["squared", "scale"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "levels",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, _SIDE, _SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [
            numpy_helper.from_array(levels, "levels"),
            numpy_helper.from_array(np.array(-1500.0, dtype=np.float32), "scale"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def image(number: int) -> tuple[bytes, str]:
    """Return the JPEG `number` and its right label; no two numbers give the same bytes."""
    level = number % 10
    random = np.random.default_rng(number)
    grey = np.full((48, 64), 255 * (level + 0.5) / 10)
    noisy = np.clip(grey + random.normal(0, 4, grey.shape), 0, 255).astype(np.uint8)
    ok, encoded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert ok
    return encoded.tobytes(), LABELS[level]
