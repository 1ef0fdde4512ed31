"""Pixels into the batch that a model takes: values and layout as its manifest says."""

import numpy as np
from numpy.typing import NDArray

from contracts.http.models import ManifestInput

Batch = NDArray[np.number]
"""Images of one model's size, float32 or uint8 as it takes them, in its layout; also a view of one of them."""

_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)


def input_shape(wanted: ManifestInput) -> tuple[int, int, int]:
    """Return the shape of one image in the input tensor."""
    if wanted.layout == "nchw":
        return (wanted.channels, wanted.height, wanted.width)
    return (wanted.height, wanted.width, wanted.channels)


def input_bytes(wanted: ManifestInput) -> int:
    """Return the size of one image in the input tensor."""
    return wanted.width * wanted.height * wanted.channels * np.dtype(wanted.dtype).itemsize


def pixel_bytes(wanted: ManifestInput) -> int:
    """Return the size of one image before that: a byte for each pixel and channel."""
    return wanted.width * wanted.height * wanted.channels


def empty_batch(size: int, wanted: ManifestInput) -> Batch:
    """Return room for `size` images; the values are whatever was in memory."""
    return np.empty((size, *input_shape(wanted)), np.dtype(wanted.dtype))


def write_row(row: Batch, pixels: NDArray[np.uint8], wanted: ManifestInput) -> None:
    """Write one image, uint8 (height, width, channels), into its place in a batch.

    `row` is a view of the batch. Threads may write different rows at once.
    """
    target = row.transpose(1, 2, 0) if wanted.layout == "nchw" else row
    if wanted.dtype == "uint8":
        target[...] = pixels
        return
    mean = wanted.mean or (0.0,) * wanted.channels
    std = wanted.std or (1.0,) * wanted.channels
    for channel in range(wanted.channels):
        # A pixel has 256 values: looking each up is exact and several times faster than computing every one.
        table = (_LEVELS - np.float32(mean[channel])) / np.float32(std[channel])
        np.take(table, pixels[:, :, channel], out=target[:, :, channel], mode="clip")
