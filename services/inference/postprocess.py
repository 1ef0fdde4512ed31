"""What a model's numbers say: one reader per task of a manifest."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.http.models import Manifest, ManifestOutput
from contracts.v1.image_query import Score
from services.inference.detections import detect
from services.inference.readings import ROUNDING, Read, Reading, Unreadable, not_finite, out_of_range
from services.inference.transcripts import transcribe

Reader = Callable[[NDArray[np.floating], Manifest], Sequence[Read]]


def classify(outputs: NDArray[np.floating], manifest: Manifest) -> Sequence[Reading | Unreadable]:
    """Read (N, labels) outputs row by row: the label of the largest score, the first one of equals."""
    return [_classify_row(row, manifest.output) for row in outputs.astype(np.float64)]


READERS: dict[str, Reader] = {"classification": classify, "detection": detect, "text": transcribe}
"""How the outputs are read, by the manifest's task."""


def _classify_row(row: NDArray[np.float64], manifest: ManifestOutput) -> Reading | Unreadable:
    if not np.isfinite(row).all():
        return not_finite()
    if manifest.activation == "softmax":
        raised = np.exp(row - row.max())
        row = raised / raised.sum()
    elif row.min() < -ROUNDING or row.max() > 1 + ROUNDING:
        return out_of_range(row.min(), row.max(), "softmax")
    values = [float(value) for value in np.clip(row, 0.0, 1.0)]
    best = int(np.argmax(row))
    scores = tuple(Score(label=label, score=value) for label, value in zip(manifest.labels, values, strict=True))
    return Reading(manifest.labels[best], values[best], scores)
