"""Makes levels.onnx: `python -m infra.drill.make_model`. Needs the package `onnx`, of the test requirements."""

import onnx
from onnx import TensorProto, helper

from infra.drill.task import LABELS, MODEL, SIDE

_SHARPNESS = -1500.0
"""Logit per squared distance from a level; neighbours are 0.1 apart, so the right one has nearly all of the softmax."""


def make() -> bytes:
    """Return the model's bytes, the same every time."""
    count = len(LABELS)
    levels = helper.make_tensor("levels", TensorProto.FLOAT, [1, count], [(n + 0.5) / count for n in range(count)])
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [_SHARPNESS])
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
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", count])],
        [levels, scale],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


if __name__ == "__main__":
    MODEL.write_bytes(make())
