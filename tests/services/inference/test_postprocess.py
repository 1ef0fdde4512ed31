from typing import get_args

import numpy as np
import pytest

from contracts.http.models import Manifest, ManifestInput, ManifestOutput
from services.inference.postprocess import READERS, classify
from services.inference.readings import Reading, Unreadable

INPUT = ManifestInput(width=8, height=8)
SOFTMAX = Manifest(input=INPUT, output=ManifestOutput(labels=("a", "b", "c")))
NONE = Manifest(input=INPUT, output=ManifestOutput(labels=("a", "b", "c"), activation="none"))


def read(row: list[float], manifest: Manifest, dtype: type = np.float32) -> Reading | Unreadable:
    return classify(np.array([row], dtype), manifest)[0]


def test_softmax_gives_probabilities_in_the_order_of_the_labels() -> None:
    reading = read([0.0, np.log(2.0), np.log(5.0)], SOFTMAX, np.float64)
    assert isinstance(reading, Reading)
    assert [(score.label, round(score.score, 9)) for score in reading.scores] == [
        ("a", 0.125),
        ("b", 0.25),
        ("c", 0.625),
    ]
    assert (reading.label, reading.confidence) == ("c", reading.scores[2].score)


def test_softmax_of_huge_numbers_does_not_overflow() -> None:
    reading = read([1e30, -1e30, 0.0], SOFTMAX)
    assert isinstance(reading, Reading)
    assert (reading.label, reading.confidence) == ("a", 1.0)


def test_none_takes_the_numbers_as_they_are() -> None:
    reading = read([0.25, 0.5, 0.125], NONE)
    assert isinstance(reading, Reading)
    assert (reading.label, reading.confidence) == ("b", 0.5)


def test_of_equal_scores_the_first_label_wins() -> None:
    reading = read([0.5, 0.5, 0.5], NONE)
    assert isinstance(reading, Reading)
    assert reading.label == "a"


def test_tiny_errors_of_rounding_are_cut_off() -> None:
    reading = read([1.00001, -0.00001, 0.0], NONE)
    assert isinstance(reading, Reading)
    assert [score.score for score in reading.scores] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("bad", [1.5, -0.5])
def test_scores_that_are_no_probabilities_are_no_answer(bad: float) -> None:
    reading = read([bad, 0.1, 0.1], NONE)
    assert isinstance(reading, Unreadable)
    assert reading.reason == "scores_out_of_range"


@pytest.mark.parametrize("manifest", [SOFTMAX, NONE])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_no_answer(bad: float, manifest: Manifest) -> None:
    reading = read([0.1, bad, 0.1], manifest)
    assert isinstance(reading, Unreadable)
    assert reading.reason == "non_finite_output"


def test_a_bad_row_leaves_the_others_alone() -> None:
    readings = classify(np.array([[0, 1, 0], [0, np.nan, 0], [1, 0, 0]], np.float32), SOFTMAX)
    assert [reading.label if isinstance(reading, Reading) else None for reading in readings] == ["b", None, "a"]


def test_every_task_of_a_manifest_has_a_reader() -> None:
    assert set(READERS) == set(get_args(Manifest.model_fields["task"].annotation))
