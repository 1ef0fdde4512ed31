"""The two models of the benchmarks, made with fixed seeds and random weights: what counts is the work, not the answer.

`mobilenet` has the layers of MobileNetV2 at width 1.0 (Sandler et al., 2018, table 2), its 1000 outputs used as the
features of four labels: 224 x 224, 3.5 million parameters, 300 million multiply-adds. `small` is four
convolutions on 96 x 96.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from contracts.http.models import Manifest, ManifestInput, ManifestOutput

SMALL, MOBILENET = "small", "mobilenet"
_OPSET = 17
_IR_VERSION = 8
# Expansion, channels, repeats and first stride of each row of the paper's table.
_ROWS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_FEATURES = 1000
_LABELS = ("north", "east", "south", "west")
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class BenchmarkModel:
    """A model file and how it is fed; `labels` are those that a detector needs."""

    name: str
    data: bytes
    manifest: Manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the output."""
        return self.manifest.output.labels


class _Graph:
    """A graph that grows from its input; weights are drawn as they are needed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self.at = "image"

    def convolve(self, inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1) -> None:
        """Add a convolution with bias, its scale chosen so that values neither vanish nor explode."""
        fan_in = inputs // groups * kernel * kernel
        weight = self._random.normal(0.0, (2.0 / fan_in) ** 0.5, (outputs, inputs // groups, kernel, kernel))
        pad = kernel // 2
        parts = [self._keep(weight), self._keep(np.zeros(outputs))]
        self._add("Conv", parts, kernel_shape=[kernel, kernel], strides=[stride] * 2, pads=[pad] * 4, group=groups)

    def clip(self) -> None:
        """Add ReLU6."""
        self._add("Clip", [self._keep(np.array(0.0)), self._keep(np.array(6.0))])

    def add(self, other: str) -> None:
        """Add the tensor `other` to the current one."""
        self._add("Add", [other])

    def pool(self) -> None:
        """Add global pooling."""
        self._add("GlobalAveragePool", [])
        self._add("Flatten", [])

    def connect(self, inputs: int, outputs: int) -> None:
        """Add a dense layer."""
        weight = self._random.normal(0.0, inputs**-0.5, (inputs, outputs))
        self._add("Gemm", [self._keep(weight), self._keep(np.zeros(outputs))])

    def finish(self, side: int, classes: int) -> bytes:
        """Return the file."""
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, side, side])
        logits = helper.make_tensor_value_info(self.at, TensorProto.FLOAT, ["N", classes])
        graph = helper.make_graph(self._nodes, "benchmark", [image], [logits], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data

    def _keep(self, values: NDArray[np.float64]) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def _add(self, kind: str, more: list[str], **attributes: Any) -> None:
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, [self.at, *more], [output], **attributes))
        self.at = output


def mobilenet() -> bytes:
    """The file of the MobileNet-size model, 14 MB."""
    graph = _Graph(seed=2018)
    graph.convolve(3, 32, kernel=3, stride=2)
    graph.clip()
    channels = 32
    for expansion, outputs, repeats, first_stride in _ROWS:
        for repeat in range(repeats):
            _bottleneck(graph, channels, outputs, expansion, first_stride if repeat == 0 else 1)
            channels = outputs
    graph.convolve(channels, 1280, kernel=1)
    graph.clip()
    graph.pool()
    graph.connect(1280, _FEATURES)
    graph.connect(_FEATURES, len(_LABELS))
    return graph.finish(224, len(_LABELS))


def small(seed: int = 96) -> bytes:
    """The file of the small model, or of another one of its size."""
    graph = _Graph(seed)
    for inputs, outputs, stride in ((3, 16, 2), (16, 32, 1), (32, 64, 2), (64, 96, 2)):
        graph.convolve(inputs, outputs, kernel=3, stride=stride)
        graph.clip()
    graph.pool()
    graph.connect(96, len(_LABELS))
    return graph.finish(96, len(_LABELS))


def _bottleneck(graph: _Graph, inputs: int, outputs: int, expansion: int, stride: int) -> None:
    before, inner = graph.at, inputs * expansion
    if expansion > 1:
        graph.convolve(inputs, inner, kernel=1)
        graph.clip()
    graph.convolve(inner, inner, kernel=3, stride=stride, groups=inner)
    graph.clip()
    graph.convolve(inner, outputs, kernel=1)
    if stride == 1 and inputs == outputs:
        graph.add(before)


def _manifest(side: int) -> Manifest:
    return Manifest(
        input=ManifestInput(name="image", width=side, height=side, mean=_MEAN, std=_STD),
        output=ManifestOutput(labels=_LABELS),
    )


_MAKERS: dict[str, tuple[Callable[[], bytes], Manifest]] = {
    SMALL: (small, _manifest(96)),
    MOBILENET: (mobilenet, _manifest(224)),
}
MODELS = tuple(_MAKERS)


@cache
def load(name: str) -> BenchmarkModel:
    """Return a model of MODELS; making it takes a tenth of a second."""
    make, manifest = _MAKERS[name]
    return BenchmarkModel(name, make(), manifest)
