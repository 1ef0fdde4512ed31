"""A small convolutional network in NumPy: forward pass, gradients, Adam, and its graph as ONNX.

Activations are NHWC here, so that a convolution is one matrix product; the graph is NCHW, as ONNX has it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
KERNEL = 3
STRIDE = 2
OPSET = 17
IR_VERSION = 8


def _columns(images: Array) -> Array:
    """(N, H, W, C) as the (N, H/2, W/2, 9 C) patches that a padded 3x3 convolution of stride 2 sees."""
    _, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [
        padded[:, row : row + height : STRIDE, column : column + width : STRIDE]
        for row in range(KERNEL)
        for column in range(KERNEL)
    ]
    return np.concatenate(taps, axis=3)


def _images_gradient(columns: Array, shape: tuple[int, ...]) -> Array:
    """The adjoint of `_columns`: gradients of patches summed into gradients of the (N, H, W, C) images."""
    count, height, width, channels = shape
    padded = np.zeros((count, height + 2, width + 2, channels), np.float32)
    for tap in range(KERNEL * KERNEL):
        row, column = divmod(tap, KERNEL)
        part = columns[..., tap * channels : (tap + 1) * channels]
        padded[:, row : row + height : STRIDE, column : column + width : STRIDE] += part
    return padded[:, 1:-1, 1:-1]


@dataclass(slots=True)
class Network:
    """`weights` and `biases` of the convolutions, (9 C_in, C_out) and (C_out,), then of the linear read-out."""

    height: int
    width: int
    channels: tuple[int, ...]
    weights: list[Array]
    biases: list[Array]

    @classmethod
    def initial(cls, height: int, width: int, channels: tuple[int, ...], rng: np.random.Generator) -> "Network":
        """He initialisation; height and width must be divisible by 2 to the number of convolutions."""
        fan_ins = [KERNEL * KERNEL * c for c in (3, *channels[:-1])]
        scale = STRIDE ** len(channels)
        fan_ins.append(channels[-1] * (height // scale) * (width // scale))
        outs = (*channels, 2)
        weights = [
            rng.standard_normal((fan, out), np.float32) * np.float32(np.sqrt(2 / fan))
            for fan, out in zip(fan_ins, outs, strict=True)
        ]
        return cls(height, width, channels, weights, [np.zeros(out, np.float32) for out in outs])

    def forward(self, images: Array) -> tuple[Array, list[Array]]:
        """Logits (N, 2) for normalised (N, H, W, 3) images, and the input of every layer as a matrix product."""
        inputs: list[Array] = []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(_columns(images))
            images = np.maximum(inputs[-1] @ weight + bias, 0)
        inputs.append(images.reshape(len(images), -1))
        return inputs[-1] @ self.weights[-1] + self.biases[-1], inputs

    def gradients(self, images: Array, labels: NDArray[np.int64]) -> tuple[float, list[Array]]:
        """Mean cross-entropy, and its gradients for the weights followed by those for the biases."""
        logits, inputs = self.forward(images)
        chances = softmax(logits)
        rows = np.arange(len(labels))
        loss = float(-np.log(chances[rows, labels] + 1e-12).mean())
        chances[rows, labels] -= 1
        delta: Array = chances / np.float32(len(labels))
        weights, biases = [inputs[-1].T @ delta], [delta.sum(axis=0)]
        upstream = delta @ self.weights[-1].T
        for layer in range(len(self.channels) - 1, -1, -1):
            scale = STRIDE ** (layer + 1)
            height, width, out = self.height // scale, self.width // scale, self.channels[layer]
            # The next layer's input is this one's output, whose zeros are where the ReLU stopped the gradient.
            active = self._output(inputs, layer, (len(images), height, width, out)) > 0
            delta = np.where(active, upstream.reshape(active.shape), np.float32(0)).reshape(-1, out)
            weights.insert(0, inputs[layer].reshape(len(delta), -1).T @ delta)
            biases.insert(0, delta.sum(axis=0))
            if layer:
                shape = (len(images), height * STRIDE, width * STRIDE, self.channels[layer - 1])
                patches = (delta @ self.weights[layer].T).reshape(len(images), height, width, -1)
                upstream = _images_gradient(patches, shape)
        return loss, weights + biases

    def _output(self, inputs: list[Array], layer: int, shape: tuple[int, ...]) -> Array:
        if layer == len(self.channels) - 1:
            return inputs[-1].reshape(shape)
        return np.asarray(np.maximum(inputs[layer] @ self.weights[layer] + self.biases[layer], 0), np.float32)


def softmax(logits: Array) -> Array:
    """Row-wise softmax."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


class Adam:
    """Adam with decoupled weight decay, for one list of parameters updated in place."""

    def __init__(self, parameters: list[Array], decay: float = 1e-2) -> None:
        self.parameters = parameters
        self.decay = decay
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters]
        self.steps = 0

    def step(self, gradients: list[Array], rate: float) -> None:
        """Move the parameters against the gradients; `rate` is the learning rate."""
        self.steps += 1
        for index, gradient in enumerate(gradients):
            self.first[index] += np.float32(0.1) * (gradient - self.first[index])
            self.second[index] += np.float32(0.001) * (gradient * gradient - self.second[index])
            mean = self.first[index] / np.float32(1 - 0.9**self.steps)
            spread = np.sqrt(self.second[index] / np.float32(1 - 0.999**self.steps)) + np.float32(1e-8)
            shrinkage = np.float32(self.decay) * self.parameters[index]
            self.parameters[index] -= np.float32(rate) * (mean / spread + shrinkage)


def _oihw(weight: Array, channels: int) -> Array:
    """A convolution's (9 C_in, C_out) matrix as ONNX wants it: (C_out, C_in, 3, 3)."""
    kernel = weight.reshape(KERNEL, KERNEL, -1, channels)
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def _read_out(network: Network) -> Array:
    """The read-out's weights with rows in the order in which Flatten lays out NCHW."""
    scale = STRIDE ** len(network.channels)
    shape = (network.height // scale, network.width // scale, network.channels[-1], 2)
    return np.ascontiguousarray(network.weights[-1].reshape(shape).transpose(2, 0, 1, 3).reshape(-1, 2))


def to_onnx(network: Network) -> onnx.ModelProto:
    """The graph: input "image" (N, 3, H, W) float32, output "logits" (N, 2)."""
    nodes, tensors, name = [], [], "image"
    for layer, channels in enumerate(network.channels):
        tensors.append(numpy_helper.from_array(_oihw(network.weights[layer], channels), f"conv{layer}.weight"))
        tensors.append(numpy_helper.from_array(network.biases[layer], f"conv{layer}.bias"))
        inputs = [name, f"conv{layer}.weight", f"conv{layer}.bias"]
        settings: dict[str, Any] = {"kernel_shape": [KERNEL] * 2, "strides": [STRIDE] * 2, "pads": [1] * 4}
        nodes.append(helper.make_node("Conv", inputs, [f"conv{layer}"], **settings))
        name = f"relu{layer}"
        nodes.append(helper.make_node("Relu", [f"conv{layer}"], [name]))
    tensors.append(numpy_helper.from_array(_read_out(network), "linear.weight"))
    tensors.append(numpy_helper.from_array(network.biases[-1], "linear.bias"))
    nodes.append(helper.make_node("Flatten", [name], ["features"], axis=1))
    nodes.append(helper.make_node("Gemm", ["features", "linear.weight", "linear.bias"], ["logits"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, network.height, network.width])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "door", [image], [logits], tensors)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="door")
    onnx.checker.check_model(model, full_check=True)
    return model
