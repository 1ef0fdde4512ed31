"""Small ONNX files with the outputs of detectors of objects and of recognisers of text, and pictures for them.

The picture of objects is black, with white cells in a grid of 4 x 4; each white cell is an object that the model sees
twice, a little beside itself the second time. The picture of text is a row of grey bands; each grey is a character.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from contracts.http.models import Manifest, ManifestInput, ManifestOutput

GRID = 4
SIDE = 32
CHARACTERS = "AB12"
STEPS = 8
_STEEPNESS = 400.0


def detection_manifest() -> Manifest:
    """The manifest of `detection_model`."""
    return Manifest(
        task="detection",
        input=ManifestInput(width=SIDE, height=SIDE, color="gray", resize="letterbox"),
        output=ManifestOutput(labels=("cell", "ghost"), activation="none"),
    )


def detection_model() -> bytes:
    """An ONNX file: (N, 32, 4 + 2), corners in pixels; the score is the mean grey of a cell, a ghost is never seen."""
    size = SIDE // GRID
    corners = np.array(
        [
            [column * size + shift, row * size, (column + 1) * size + shift, (row + 1) * size]
            for shift in (0, 1)
            for row in range(GRID)
            for column in range(GRID)
        ],
        np.float32,
    )
    nodes = [
        helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[size, size], strides=[size, size]),
        helper.make_node("Reshape", ["cells", "column"], ["sure"]),
        helper.make_node("Mul", ["sure", "less"], ["less_sure"]),
        helper.make_node("Concat", ["sure", "less_sure"], ["first"], axis=1),
        helper.make_node("Mul", ["first", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "corners"], ["boxes"]),
        helper.make_node("Concat", ["boxes", "first", "nothing"], ["candidates"], axis=2),
    ]
    tensors: dict[str, np.ndarray] = {
        "column": np.array([0, GRID * GRID, 1], np.int64),
        "less": np.array(0.9, np.float32),
        "zero": np.array(0.0, np.float32),
        "corners": corners[None],
    }
    return _save(nodes, tensors, [1, SIDE, SIDE], "candidates", [2 * GRID * GRID, 6])


def text_manifest() -> Manifest:
    """The manifest of `text_model`."""
    return Manifest(
        task="text",
        input=ManifestInput(width=STEPS * 4, height=8, color="gray"),
        output=ManifestOutput(characters=CHARACTERS),
    )


def text_model() -> bytes:
    """An ONNX file: (N, 8, 5); the closer a band's grey is to a character's, the larger is its score."""
    greys = np.array([[[index / len(CHARACTERS) for index in range(len(CHARACTERS) + 1)]]], np.float32)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["bands"], kernel_shape=[8, 4], strides=[8, 4]),
        helper.make_node("Reshape", ["bands", "steps"], ["grey"]),
        helper.make_node("Sub", ["grey", "greys"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["squared"]),
        helper.make_node("Mul", ["squared", "steepness"], ["scores"]),
    ]
    tensors: dict[str, np.ndarray] = {
        "steps": np.array([0, STEPS, 1], np.int64),
        "greys": greys,
        "steepness": np.array(-_STEEPNESS, np.float32),
    }
    return _save(nodes, tensors, [1, 8, STEPS * 4], "scores", [STEPS, len(CHARACTERS) + 1])


def picture_of_objects(*cells: tuple[int, int], width: int = 64, height: int = 64) -> bytes:
    """A PNG with white cells at these rows and columns."""
    picture = np.zeros((height, width), np.uint8)
    for row, column in cells:
        top, left = row * height // GRID, column * width // GRID
        picture[top : top + height // GRID, left : left + width // GRID] = 255
    return _png(picture)


def picture_of_text(text: str) -> bytes:
    """A PNG of the text; a space is the blank."""
    greys = [0 if letter == " " else 255 * (CHARACTERS.index(letter) + 1) / len(CHARACTERS) for letter in text]
    return _png(np.repeat(np.array([greys + [0] * (STEPS - len(text))]), 8, axis=0).repeat(4, axis=1).astype(np.uint8))


def _png(picture: np.ndarray) -> bytes:
    ok, encoded = cv2.imencode(".png", picture)
    assert ok
    return encoded.tobytes()


def _save(
    nodes: list[NodeProto], tensors: Mapping[str, np.ndarray], taken: list[int], output: str, given: list[int]
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "shaped",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *taken])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", *given])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())
