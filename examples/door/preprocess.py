"""The manifest of the door model and the preprocessing it states, as the serving side does it."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from examples.door.camera import Image

MANIFEST: dict[str, Any] = {
    "task": "classification",
    "input": {
        "name": "image",
        "width": 64,
        "height": 48,
        "color": "rgb",
        "layout": "nchw",
        "dtype": "float32",
        "resize": "stretch",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
    },
    "output": {"name": "logits", "labels": ["NO", "YES"], "activation": "softmax"},
}


def recompress(image: Image, quality: int) -> Image:
    """The BGR picture after a JPEG round trip."""
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("OpenCV cannot decode the JPEG it encoded")
    return np.asarray(decoded, np.uint8)


def shrink(image: Image, manifest: dict[str, Any] = MANIFEST) -> Image:
    """A BGR picture of any size as (height, width, 3) RGB of the model's size."""
    size = (manifest["input"]["width"], manifest["input"]["height"])
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def normalise(pictures: NDArray[np.uint8], manifest: dict[str, Any] = MANIFEST) -> NDArray[np.float32]:
    """(N, height, width, 3) RGB in 0..255 as the model's values, same shape."""
    mean = np.asarray(manifest["input"]["mean"], np.float32)
    std = np.asarray(manifest["input"]["std"], np.float32)
    return np.asarray((pictures.astype(np.float32) / np.float32(255) - mean) / std, np.float32)


def to_input(image: Image, manifest: dict[str, Any] = MANIFEST) -> NDArray[np.float32]:
    """A BGR picture as the model's input, (1, 3, height, width)."""
    values = normalise(shrink(image, manifest)[None], manifest)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
