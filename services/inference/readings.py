"""What the numbers of a model say of one image, before and after the detector's mode is applied."""

from dataclasses import dataclass

from contracts.v1.image_query import Box, Score


@dataclass(frozen=True, slots=True)
class Reading:
    """One image's answer; `scores` are in the order of the manifest's labels."""

    label: str
    confidence: float
    scores: tuple[Score, ...] = ()
    boxes: tuple[Box, ...] = ()
    text: str | None = None
    text_cut: bool = False


@dataclass(frozen=True, slots=True)
class Sightings:
    """The objects of one image, surest first, in fractions of the model's input.

    `missed` has the best score by label of what was just not taken for an object.
    """

    boxes: tuple[Box, ...]
    missed: dict[str, float]


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of one image."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Numbers that are no answer; `reason` is stable."""

    reason: str
    detail: str


Read = Reading | Sightings | Transcript | Unreadable
ROUNDING = 1e-4
"""Probabilities of a graph in float16 miss 0 and 1 by up to this."""


def not_finite() -> Unreadable:
    """Return what NaN and infinities are."""
    return Unreadable("non_finite_output", "the model gave a NaN or infinity")


def out_of_range(least: float, most: float, activation: str) -> Unreadable:
    """Return what scores outside 0 to 1 are; `activation` would make probabilities of them."""
    detail = f"scores from {least:.4g} to {most:.4g} are no probabilities; does the manifest need {activation}?"
    return Unreadable("scores_out_of_range", detail)
