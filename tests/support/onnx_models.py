"""Small ONNX files: good ones that judge brightness, and bad ones of every sort.

A brightness model says "dark" below half of full brightness, "bright" above it, the surer the farther away.
"""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contracts.http.models import Manifest, ManifestInput, ManifestOutput

LABELS = ("dark", "bright")
SIDE = 8
_OPSET = 17
_IR_VERSION = 8
_STEEPNESS = 12.0


def brightness_manifest(
    *,
    width: int = SIDE,
    height: int = SIDE,
    layout: Literal["nchw", "nhwc"] = "nchw",
    dtype: Literal["float32", "uint8"] = "float32",
    activation: Literal["none", "softmax"] = "softmax",
    labels: tuple[str, ...] = LABELS,
    input_name: str | None = None,
    output_name: str | None = None,
) -> Manifest:
    """The manifest of `brightness_model` with the same arguments."""
    return Manifest(
        input=ManifestInput(name=input_name, width=width, height=height, layout=layout, dtype=dtype),
        output=ManifestOutput(name=output_name, labels=labels, activation=activation),
    )


def brightness_model(
    *,
    batch: int | str = "N",
    width: int = SIDE,
    height: int = SIDE,
    layout: Literal["nchw", "nhwc"] = "nchw",
    dtype: Literal["float32", "uint8"] = "float32",
    probabilities: bool = False,
    inverted: bool = False,
    seed: int = 0,
) -> bytes:
    """A model of brightness; `inverted` swaps its answers, `seed` only makes the file another one."""
    nodes = []
    name = "image"
    if dtype == "uint8":
        nodes += [
            helper.make_node("Cast", [name], ["cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["cast", "unit"], ["scaled"]),
        ]
        name = "scaled"
    axes = [2, 3] if layout == "nchw" else [1, 2]
    nodes += [
        helper.make_node("ReduceMean", [name], ["channels"], axes=axes, keepdims=0),
        helper.make_node("Gemm", ["channels", "weight", "bias"], ["scores"]),
    ]
    if probabilities:
        nodes.append(helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1))
    weight = np.repeat([[-_STEEPNESS, _STEEPNESS]], 3, axis=0).astype(np.float32) / 3
    bias = np.array([_STEEPNESS / 2, -_STEEPNESS / 2], np.float32)
    tensors: dict[str, np.ndarray] = {"weight": -weight if inverted else weight, "bias": -bias if inverted else bias}
    if dtype == "uint8":
        tensors["unit"] = np.array(1 / 255, np.float32)
    shape = [batch, 3, height, width] if layout == "nchw" else [batch, height, width, 3]
    return save(
        nodes,
        tensors,
        input_shape=shape,
        input_type=TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT,
        output_name="probabilities" if probabilities else "scores",
        output_shape=[batch, 2],
        doc=f"seed {seed}",
    )


def poison_model(*, level: int = 200) -> bytes:
    """A brightness model that kills its process on an image of this grey `level`, from 0 to 255, and on no other.

    It passes every check, and then divides the smallest integer by -1: on x86 the processor answers with a signal
    that nothing in the process can turn into an error.
    """
    tensors: dict[str, np.ndarray] = {
        "weight": np.repeat([[-_STEEPNESS, _STEEPNESS]], 3, axis=0).astype(np.float32) / 3,
        "bias": np.array([_STEEPNESS / 2, -_STEEPNESS / 2], np.float32),
        "axis": np.array([1], np.int64),
        "full": np.array(255 / 4, np.float32),
        "level": np.array(level / 4, np.float32),
        "two": np.array(2, np.int32),
        "one": np.array(1, np.int32),
        "smallest": np.array(np.iinfo(np.int32).min, np.int32),
        "nothing": np.array(1e-15, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["channels"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["channels", "weight", "bias"], ["clean"]),
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "full"], ["quarter"]),
        helper.make_node("Sub", ["quarter", "level"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("Round", ["distance"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["steps"], to=TensorProto.INT32),
        helper.make_node("Mul", ["steps", "two"], ["even"]),
        helper.make_node("Sub", ["even", "one"], ["divisor"]),  # -1 at the level, never 0
        helper.make_node("Div", ["smallest", "divisor"], ["quotient"]),
        helper.make_node("Cast", ["quotient"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "nothing"], ["almost"]),
        helper.make_node("Unsqueeze", ["almost", "axis"], ["column"]),
        helper.make_node("Add", ["clean", "column"], ["scores"]),
    ]
    return save(nodes, tensors)


def save(
    nodes: Sequence[onnx.NodeProto],
    tensors: dict[str, np.ndarray],
    *,
    input_shape: Sequence[int | str] = ("N", 3, SIDE, SIDE),
    input_type: int = TensorProto.FLOAT,
    output_name: str = "scores",
    output_shape: Sequence[int | str] | None = ("N", 2),
    opset: int = _OPSET,
    domains: Sequence[str] = (),
    doc: str = "",
) -> bytes:
    """Any graph from "image" to one output, as a file."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("image", input_type, list(input_shape))],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_shape and list(output_shape))],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
        doc_string=doc,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION).SerializeToString())


def _scores_times(tail: Sequence[onnx.NodeProto], tensors: dict[str, np.ndarray], **options: Any) -> bytes:
    """A brightness model whose "scores" go through `tail` and come out as "out"."""
    weight = np.ones((3, 2), np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["channels"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["channels", "weight"], ["scores"]),
        *tail,
    ]
    return save(nodes, {"weight": weight, **tensors}, output_name="out", **options)


def nan_model() -> bytes:
    """NaN for every image."""
    return _scores_times([helper.make_node("Mul", ["scores", "nan"], ["out"])], {"nan": np.array(np.nan, np.float32)})


def nan_when_bright_model() -> bytes:
    """Finite scores for a black image, NaN for a bright one: log of a negative number."""
    tail = [helper.make_node("Sub", ["half", "scores"], ["rest"]), helper.make_node("Log", ["rest"], ["out"])]
    return _scores_times(tail, {"half": np.array(1.5, np.float32)})


def out_of_range_model() -> bytes:
    """Scores far outside 0 to 1."""
    return _scores_times([helper.make_node("Add", ["scores", "seven"], ["out"])], {"seven": np.array(7, np.float32)})


def fails_when_bright_model() -> bytes:
    """Fails as a whole when any image of the batch is all white: looks up row 1 of a table that has only row 0."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["brightness"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Cast", ["brightness"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "row"], ["scores"], axis=0),
    ]
    return save(nodes, {"table": np.array([[3.0, 0.0]], np.float32)})


def slow_model(turns: int = 2**40) -> bytes:
    """A loop that does not end in anybody's time."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["carried", "carried"], ["doubled"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("doubled", TensorProto.FLOAT, None),
        ],
    )
    tail = [helper.make_node("Loop", ["turns", "yes", "scores"], ["out"], body=body)]
    return _scores_times(tail, {"turns": np.array(turns, np.int64), "yes": np.array(True)})


def huge_model(elements: int = 4_000_000_000) -> bytes:
    """A few hundred bytes that ask for 16 GB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["sum"], keepdims=1),
        helper.make_node("ReduceMean", ["image"], ["channels"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["channels", "weight"], ["small"]),
        helper.make_node("Add", ["small", "sum"], ["scores"]),
    ]
    return save(nodes, {"shape": np.array([elements], np.int64), "weight": np.ones((3, 2), np.float32)})


def pretends_any_batch_model() -> bytes:
    """Says that it takes any batch size and takes only one image; which only a run can tell."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["channels"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "one_by_three"], ["sizes"]),
        helper.make_node("Cast", ["sizes"], ["shape"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["channels", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
    ]
    tensors: dict[str, np.ndarray] = {
        "nothing": np.array(0, np.float32),
        "one_by_three": np.array([1, 3], np.float32),
        "weight": np.ones((3, 2), np.float32),
    }
    return save(nodes, tensors)


def foreign_operator_model(domain: str = "com.example") -> bytes:
    """Uses an operator of somebody's own."""
    node = helper.make_node("Guess", ["image"], ["scores"], domain=domain)
    return save([node], {}, domains=[domain])


def unknown_operator_model() -> bytes:
    """Uses an operator that no version of ONNX has."""
    return save([helper.make_node("Frobnicate", ["image"], ["scores"])], {})


def future_opset_model() -> bytes:
    """Needs operators that are yet to be written."""
    return save([helper.make_node("Identity", ["image"], ["scores"])], {}, opset=99)


Where = Literal["initializer", "constant", "subgraph", "sparse", "function"]


def external_data_model(location: str, *, where: Where = "initializer") -> bytes:
    """Keeps its weights in the file `location`, whatever the path is; `where` hides the reference."""
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "weight")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", location
    model = onnx.load_from_string(brightness_model())
    graph = model.graph
    if where == "initializer":
        del graph.initializer[:]
        graph.initializer.extend([weight, numpy_helper.from_array(np.zeros(2, np.float32), "bias")])
    elif where == "sparse":
        sparse = graph.sparse_initializer.add()
        sparse.values.CopyFrom(weight)
        sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(6), "indices"))
        sparse.dims.extend([3, 2])
    else:
        constant = helper.make_node("Constant", [], ["hidden"], value=weight)
        if where == "constant":
            graph.node.append(constant)
        elif where == "subgraph":
            inner = helper.make_graph([constant], "inner", [], [helper.make_empty_tensor_value_info("hidden")])
            graph.node.append(helper.make_node("If", ["condition"], ["never"], then_branch=inner, else_branch=inner))
        else:
            opset = [helper.make_opsetid("", _OPSET)]
            model.functions.append(helper.make_function("own", "Weights", [], ["hidden"], [constant], opset))
    return bytes(model.SerializeToString())


def own_function_model() -> bytes:
    """Calls a function that the file itself defines, in a domain of its own."""
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("own", 1)]
    mean = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    function = helper.make_function("own", "Channels", ["x"], ["y"], [mean], opsets[:1])
    graph = helper.make_graph(
        [
            helper.make_node("Channels", ["image"], ["channels"], domain="own"),
            helper.make_node("MatMul", ["channels", "weight"], ["scores"]),
        ],
        "test",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.ones((3, 2), np.float32), "weight")],
    )
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, functions=[function])
    return bytes(model.SerializeToString())


def nested_model(graphs: int) -> bytes:
    """Graphs inside each other, made by hand: each in an attribute of a node of the next."""
    data = b""
    for _ in range(graphs):
        for key in (0x32, 0x2A, 0x0A):  # attribute.g, node.attribute, graph.node
            data = bytes([key]) + _length(len(data)) + data
    return b"\x3a" + _length(len(data)) + data


def _length(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def sha256_of(data: bytes) -> str:
    """The digest under which a file is registered."""
    return hashlib.sha256(data).hexdigest()


def write_weights(path: Path) -> None:
    """The file that an external data model would read."""
    path.write_bytes(struct.pack("<6f", *([1.0] * 6)))
