import numpy as np
import pytest

from contracts.http.models import Manifest, ManifestInput, ManifestOutput
from services.inference.detections import detect, suppress
from services.inference.readings import Sightings, Unreadable

INPUT = ManifestInput(width=100, height=50)


def manifest(**output: object) -> Manifest:
    fields = {"labels": ("car", "dog"), "activation": "none", "score_threshold": 0.5} | output
    return Manifest(task="detection", input=INPUT, output=ManifestOutput.model_validate(fields))


def sightings(rows: list[list[float]], wanted: Manifest) -> Sightings:
    (read,) = detect(np.array([rows], np.float32), wanted)
    assert isinstance(read, Sightings)
    return read


def sides(read: Sightings) -> list[tuple[str | float, ...]]:
    return [(box.label, *(round(side, 4) for side in (box.left, box.top, box.right, box.bottom))) for box in read.boxes]


def test_corners_in_pixels_become_fractions_of_the_input() -> None:
    assert sides(sightings([[10, 5, 60, 25, 0.9, 0.1]], manifest())) == [("car", 0.1, 0.1, 0.6, 0.5)]


def test_centres_and_fractions_and_the_other_order_say_the_same() -> None:
    expected = [("car", 0.1, 0.1, 0.6, 0.5)]
    assert sides(sightings([[35, 15, 50, 20, 0.9, 0.1]], manifest(boxes="centre"))) == expected
    assert sides(sightings([[0.1, 0.1, 0.6, 0.5, 0.9, 0.1]], manifest(units="fractions"))) == expected
    turned: list[list[float]] = [[10], [5], [60], [25], [0.9], [0.1]]
    assert sides(sightings(turned, manifest(candidates="last"))) == expected


def test_a_box_over_the_edge_is_cut_and_one_inside_out_is_turned() -> None:
    assert sides(sightings([[-20, -5, 60, 80, 0.9, 0]], manifest())) == [("car", 0, 0, 0.6, 1)]
    assert sides(sightings([[60, 25, 10, 5, 0.9, 0]], manifest())) == [("car", 0.1, 0.1, 0.6, 0.5)]


def test_of_candidates_that_see_one_object_the_surest_stays_and_other_labels_are_left_alone() -> None:
    rows = [[10, 5, 60, 25, 0.8, 0.0], [11, 5, 61, 25, 0.9, 0.0], [10, 5, 60, 25, 0.0, 0.7], [70, 30, 90, 45, 0.6, 0.0]]
    found = sightings(rows, manifest())
    assert [(box.label, round(box.score, 3)) for box in found.boxes] == [("car", 0.9), ("dog", 0.7), ("car", 0.6)]


def test_what_falls_short_is_no_object_and_the_best_of_it_is_remembered() -> None:
    found = sightings([[10, 5, 60, 25, 0.9, 0.2], [70, 30, 90, 45, 0.4, 0.1], [0, 0, 5, 5, 0.3, 0.0]], manifest())
    assert [box.label for box in found.boxes] == ["car"]
    assert found.missed == {"car": pytest.approx(0.4), "dog": pytest.approx(0.2)}


def test_overlap_is_shared_area_over_joint_area() -> None:
    boxes = np.array([[0, 0, 0.2, 1], [0.1, 0, 0.3, 1], [0, 0, 0, 0], [0, 0, 0, 0]], float)
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert suppress(boxes, scores, 0.34) == [0, 1, 2, 3]
    assert suppress(boxes, scores, 0.33) == [0, 2, 3]


def test_logits_need_the_sigmoid_and_nan_is_no_answer() -> None:
    row = [10.0, 5, 60, 25, 2.0, -2.0]
    (refused,) = detect(np.array([[row]], np.float32), manifest())
    assert isinstance(refused, Unreadable)
    assert (refused.reason, "sigmoid" in refused.detail) == ("scores_out_of_range", True)
    assert sightings([row], manifest(activation="sigmoid")).boxes[0].score == pytest.approx(0.8808, abs=1e-4)
    (bad,) = detect(np.array([[[np.nan, *row[1:]]]], np.float32), manifest())
    assert isinstance(bad, Unreadable)
    assert bad.reason == "non_finite_output"


def test_no_candidates_are_no_objects() -> None:
    (read,) = detect(np.zeros((1, 0, 6), np.float32), manifest())
    assert read == Sightings((), {})
