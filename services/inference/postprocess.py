"""What a model's numbers say: scores, label, confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.http.models import ManifestOutput
from contracts.v1.image_query import Score

_ROUNDING = 1e-4
"""Probabilities of a graph in float16 miss 0 and 1 by up to this."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One image's answer; `scores` are in the order of the manifest's labels."""

    label: str
    confidence: float
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Numbers that are no answer; `reason` is stable."""

    reason: str
    detail: str


Reader = Callable[[NDArray[np.floating], ManifestOutput], Sequence[Reading | Unreadable]]


def classify(outputs: NDArray[np.floating], manifest: ManifestOutput) -> Sequence[Reading | Unreadable]:
    """Read (N, labels) outputs row by row: the label of the largest score, the first one of equals."""
    return [_classify_row(row, manifest) for row in outputs.astype(np.float64)]


READERS: dict[str, Reader] = {"classification": classify}
"""How the outputs are read, by the manifest's task."""


def _classify_row(row: NDArray[np.float64], manifest: ManifestOutput) -> Reading | Unreadable:
    if not np.isfinite(row).all():
        return Unreadable("non_finite_output", "the model gave a NaN or infinity")
    if manifest.activation == "softmax":
        raised = np.exp(row - row.max())
        row = raised / raised.sum()
    elif row.min() < -_ROUNDING or row.max() > 1 + _ROUNDING:
        return Unreadable(
            "scores_out_of_range",
            f"scores from {row.min():.4g} to {row.max():.4g} are no probabilities; does the manifest need softmax?",
        )
    values = [float(value) for value in np.clip(row, 0.0, 1.0)]
    best = int(np.argmax(row))
    scores = tuple(Score(label=label, score=value) for label, value in zip(manifest.labels, values, strict=True))
    return Reading(manifest.labels[best], values[best], scores)
