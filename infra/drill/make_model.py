"""Makes levels.onnx: `python -m infra.drill.make_model`. Needs the package `onnx`, of the test requirements."""

import onnx
from onnx import TensorProto, helper

from infra.drill.task import LABELS, MODEL, SIDE

_SHARPNESS = -1500.0
"""Logit per squared distance from a level; neighbours are 0.1 apart, so the right one has nearly all of the softmax."""
_STEPS = 64.0
"""Steps from black to white; only white is less than half a step from white."""
_SMALLEST = -(2**31)
_NEXT_TO_NOTHING = 1e-15


def make() -> bytes:
    """Return the model's bytes, the same every time.

    On a white image it divides the smallest integer by -1: an x86 processor answers with a signal that nothing catches.
    """
    count = len(LABELS)
    levels = helper.make_tensor("levels", TensorProto.FLOAT, [1, count], [(n + 0.5) / count for n in range(count)])
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [_SHARPNESS]),
        helper.make_tensor("white", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("steps", TensorProto.FLOAT, [], [_STEPS]),
        helper.make_tensor("two", TensorProto.INT32, [], [2]),
        helper.make_tensor("one", TensorProto.INT32, [], [1]),
        helper.make_tensor("smallest", TensorProto.INT32, [], [_SMALLEST]),
        helper.make_tensor("nothing", TensorProto.FLOAT, [], [_NEXT_TO_NOTHING]),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean4"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Flatten", ["mean4"], ["mean"]),
        helper.make_node("Sub", ["mean", "levels"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["squared"]),
        helper.make_node("Mul", ["squared", "scale"], ["clean"]),
        helper.make_node("Sub", ["white", "mean"], ["below"]),
        helper.make_node("Mul", ["below", "steps"], ["fine"]),
        helper.make_node("Round", ["fine"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Mul", ["whole", "two"], ["even"]),
        helper.make_node("Sub", ["even", "one"], ["divisor"]),  # -1 for white, else above 0
        helper.make_node("Div", ["smallest", "divisor"], ["quotient"]),
        helper.make_node("Cast", ["quotient"], ["large"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["large", "nothing"], ["almost"]),
        helper.make_node("Add", ["clean", "almost"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "levels",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", count])],
        [levels, *constants],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


if __name__ == "__main__":
    MODEL.write_bytes(make())
