"""One picture of many frames with their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import cv2
import numpy as np

from examples.door.camera import Colour, Image

_WIDTH, _HEIGHT, _BORDER, _STRIP = 200, 150, 5, 22
_RIGHT: Colour = (60.0, 160.0, 40.0)
_WRONG: Colour = (40.0, 40.0, 210.0)
_TEXT: Colour = (30.0, 30.0, 30.0)


@dataclass(frozen=True, slots=True)
class Answered:
    """A frame of the video and what was said of it. `confidence` is None when nothing was."""

    index: int
    label: str
    confidence: float | None
    right: bool


def read_frames(video: Path, indexes: Sequence[int]) -> dict[int, Image]:
    """The frames of those indexes; read in order, since seeking is not exact in every video."""
    capture, wanted, frames = cv2.VideoCapture(str(video)), set(indexes), dict[int, Image]()
    try:
        for index in range(max(wanted, default=-1) + 1):
            read, frame = capture.read()
            if not read:
                break
            if index in wanted:
                frames[index] = np.asarray(frame, np.uint8)
    finally:
        capture.release()
    return frames


def draw(frames: dict[int, Image], answers: Sequence[Answered]) -> Image:
    """The frames side by side in the order of `answers`: green borders are right, red ones wrong."""
    columns = max(1, ceil(sqrt(len(answers) * 1.2)))
    rows = max(1, ceil(len(answers) / columns))
    cell_width, cell_height = _WIDTH + 2 * _BORDER, _HEIGHT + 2 * _BORDER + _STRIP
    sheet = np.full((rows * cell_height, columns * cell_width, 3), 255, np.uint8)
    for place, answer in enumerate(answers):
        row, column = divmod(place, columns)
        top, left = row * cell_height, column * cell_width
        sheet[top : top + cell_height, left : left + cell_width] = _cell(frames[answer.index], answer)
    return sheet


def _cell(frame: Image, answer: Answered) -> Image:
    small = cv2.resize(frame, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    colour = _RIGHT if answer.right else _WRONG
    framed = cv2.copyMakeBorder(small, _BORDER, _BORDER, _BORDER, _BORDER, cv2.BORDER_CONSTANT, value=colour)
    cell = cv2.copyMakeBorder(framed, 0, _STRIP, 0, 0, cv2.BORDER_CONSTANT, value=(255.0, 255.0, 255.0))
    confidence = "" if answer.confidence is None else f" {answer.confidence:.2f}"
    text = f"{answer.index}: {answer.label}{confidence}"
    origin = (_BORDER, _HEIGHT + 2 * _BORDER + 15)
    cv2.putText(cell, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.48, _TEXT, 1, cv2.LINE_AA)
    return np.asarray(cell, np.uint8)
