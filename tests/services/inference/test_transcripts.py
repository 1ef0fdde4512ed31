from typing import Any

import numpy as np
import pytest

from contracts.http.models import Manifest, ManifestInput, ManifestOutput
from services.inference.readings import Transcript, Unreadable
from services.inference.transcripts import transcribe

INPUT = ManifestInput(width=32, height=8)


def manifest(**output: Any) -> Manifest:
    return Manifest(
        task="text", input=INPUT, output=ManifestOutput(**({"characters": "ab", "activation": "none"} | output))
    )


def read(path: str, wanted: Manifest, *, order: str = "_ab", sure: float = 0.9) -> Transcript:
    steps = np.full((1, len(path), 3), (1 - sure) / 2)
    for step, letter in enumerate(path):
        steps[0, step, order.index(letter)] = sure
    (found,) = transcribe(steps, wanted)
    assert isinstance(found, Transcript)
    return found


@pytest.mark.parametrize(
    ("path", "text"),
    [("_a_b_", "ab"), ("aabb", "ab"), ("a_a", "aa"), ("aa_ab", "aab"), ("____", ""), ("a", "a"), ("ba__b", "bab")],
)
def test_repeats_are_one_character_unless_a_blank_lies_between(path: str, text: str) -> None:
    found = read(path, manifest())
    assert found.text == text
    assert found.confidence == pytest.approx(0.9)


def test_the_blank_may_be_the_last() -> None:
    assert read("_a_b", manifest(blank="last"), order="ab_").text == "ab"


def test_softmax_is_applied_step_by_step() -> None:
    (found,) = transcribe(np.log(np.array([[[0.2, 0.7, 0.1], [0.8, 0.1, 0.1]]])) + 5, manifest(activation="softmax"))
    assert isinstance(found, Transcript)
    assert found.text == "a"
    assert found.confidence == pytest.approx(0.7)


def test_what_is_no_probability_is_no_answer() -> None:
    for steps, reason in (([[0.0, 3.0, 1.0]], "scores_out_of_range"), ([[0.0, np.inf, 1.0]], "non_finite_output")):
        (refused,) = transcribe(np.array([steps]), manifest())
        assert isinstance(refused, Unreadable)
        assert refused.reason == reason
