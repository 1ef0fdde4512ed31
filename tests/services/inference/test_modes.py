"""From what a model saw to the answer to the detector's question."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.http.models import ManifestInput
from contracts.v1.image_query import Box
from services.inference.modes import conclude
from services.inference.readings import Reading, Sightings, Transcript, Unreadable
from services.kit.store.records import DetectorRecord

SQUARE = ManifestInput(width=100, height=100)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def detector(mode: str, **fields: Any) -> DetectorRecord:
    base = {"tenant": "t", "id": "det_1", "name": "d", "query": "?", "created_at": NOW, "updated_at": NOW}
    return DetectorRecord.model_validate(base | {"mode": mode} | fields)


def box(label: str = "car", score: float = 0.9, **sides: float) -> Box:
    return Box.model_validate(
        {"label": label, "score": score, "left": 0.25, "top": 0.4, "right": 0.5, "bottom": 0.6} | sides
    )


def answer(read: Sightings | Transcript | Reading, asked: DetectorRecord, **resize: Any) -> Reading:
    wanted = SQUARE.model_copy(update=resize)
    concluded = conclude(read, asked, wanted, (200, 100))
    assert isinstance(concluded, Reading)
    return concluded


def test_objects_of_the_class_are_counted_in_any_case_of_its_name() -> None:
    seen = Sightings((box(), box("dog"), box(score=0.8)), {})
    counted = answer(seen, detector("count", class_name="Car", max_objects=10))
    assert (counted.label, counted.confidence, len(counted.boxes)) == ("2", 0.8, 2)
    assert answer(seen, detector("count", class_name="cat", max_objects=10)).label == "0"


def test_more_than_the_most_is_said_and_the_surest_are_kept() -> None:
    seen = Sightings((box(score=0.9), box(score=0.8), box(score=0.7)), {})
    for mode in ("count", "bounding_box"):
        found = answer(seen, detector(mode, class_name="car", max_objects=2))
        assert found.label == "GREATER_THAN_MAX"
        assert [one.score for one in found.boxes] == [0.9, 0.8]


def test_a_near_miss_makes_the_answer_less_sure() -> None:
    asked = detector("bounding_box", class_name="car", max_objects=10)
    found = answer(Sightings((box(),), {"car": 0.2, "dog": 0.9}), asked)
    assert found.label == "BOUNDING_BOX"
    assert found.confidence == pytest.approx(0.72)
    nothing = answer(Sightings((), {"car": 0.2}), asked)
    assert (nothing.label, nothing.boxes) == ("NO_OBJECTS", ())
    assert nothing.confidence == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("resize", "sides"),
    [
        ("stretch", (0.25, 0.4, 0.5, 0.6)),
        ("letterbox", (0.25, 0.3, 0.5, 0.7)),  # 200 x 100 lies in the middle half of the input
        ("crop", (0.375, 0.4, 0.5, 0.6)),  # the input shows the middle half of 200 x 100
    ],
)
def test_boxes_are_fractions_of_the_picture_however_it_was_fitted(resize: str, sides: tuple[float, ...]) -> None:
    asked = detector("bounding_box", class_name="car", max_objects=10)
    (found,) = answer(Sightings((box(),), {}), asked, resize=resize).boxes
    assert (found.left, found.top, found.right, found.bottom) == pytest.approx(sides)


def test_a_text_is_cut_where_the_detector_ends_and_says_so() -> None:
    whole = answer(Transcript("AB12", 0.9), detector("text", max_characters=4))
    assert (whole.label, whole.text, whole.text_cut, whole.confidence) == ("TEXT", "AB12", False, 0.9)
    cut = answer(Transcript("AB12", 0.9), detector("text", max_characters=3))
    assert (cut.text, cut.text_cut) == ("AB1", True)


@pytest.mark.parametrize("mode", ["binary", "multiclass", "count", "bounding_box", "text"])
def test_a_model_of_another_task_gives_no_answer(mode: str) -> None:
    asked = detector(mode, class_name="car", max_objects=10)
    for read, fits in (
        (Reading("YES", 0.9), {"binary", "multiclass"}),
        (Sightings((), {}), {"count", "bounding_box"}),
        (Transcript("", 0.9), {"text"}),
    ):
        assert isinstance(conclude(read, asked, SQUARE, (200, 100)), Unreadable) is (mode not in fits)
