"""Text from recognition-shaped outputs: a row of scores per step along the line of text (CTC)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.http.models import Manifest
from services.inference.readings import ROUNDING, Transcript, Unreadable, not_finite, out_of_range


def transcribe(outputs: NDArray[np.floating], manifest: Manifest) -> Sequence[Transcript | Unreadable]:
    """Read (N, steps, characters + 1) outputs: the best path, repeats merged, blanks dropped."""
    return [_transcribe_one(steps, manifest) for steps in outputs.astype(np.float64)]


def _transcribe_one(steps: NDArray[np.float64], manifest: Manifest) -> Transcript | Unreadable:
    wanted = manifest.output
    if not np.isfinite(steps).all():
        return not_finite()
    if wanted.activation == "softmax":
        raised = np.exp(steps - steps.max(axis=1, keepdims=True))
        steps = raised / raised.sum(axis=1, keepdims=True)
    elif steps.size and (steps.min() < -ROUNDING or steps.max() > 1 + ROUNDING):
        return out_of_range(steps.min(), steps.max(), "softmax")
    best, sure = steps.argmax(axis=1), np.clip(steps.max(axis=1), 0.0, 1.0)
    blank = 0 if wanted.blank == "first" else len(wanted.characters)
    first = 1 if wanted.blank == "first" else 0
    begins = np.concatenate([[True], best[1:] != best[:-1]]) & (best != blank)
    text = "".join(wanted.characters[index - first] for index in best[begins])
    # Of a line without text, how sure the model is that there is none.
    counted = sure[begins] if begins.any() else sure
    return Transcript(text, float(counted.mean()) if counted.size else 0.0)
