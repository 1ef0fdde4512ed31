"""The five modes: made, asked, answered by a model; the pictures and what is in them come from the test."""

import sys
from pathlib import Path

from groundlight import ExperimentalApi

folder = Path(sys.argv[1])
gl = ExperimentalApi()

counting = gl.create_counting_detector(
    name="cells counted", query="How many?", class_name="cell", max_count=3, pipeline_config="cells"
)
assert (counting.mode, counting.mode_configuration) == ("COUNT", {"class_name": "cell", "max_count": 3})
for picture, count, above in (("none.png", 0, False), ("two.png", 2, False), ("four.png", 3, True)):
    query = gl.ask_ml(counting, (folder / picture).read_bytes())
    result = query.result
    assert (result.count, result.greater_than_max, result.result_type.value) == (count, above, "counting"), query
    assert len(query.rois) == count, query.rois

boxing = gl.create_bounding_box_detector(
    name="cells boxed", query="Where?", class_name="cell", max_num_bboxes=3, pipeline_config="cells"
)
assert (boxing.mode, boxing.mode_configuration) == ("BOUNDING_BOX", {"class_name": "cell", "max_num_bboxes": 3})
for picture, label, boxes in (
    ("none.png", "NO_OBJECTS", 0),
    ("two.png", "BOUNDING_BOX", 2),
    ("four.png", "GREATER_THAN_MAX", 3),
):
    query = gl.ask_ml(boxing, (folder / picture).read_bytes())
    assert (query.result.label, len(query.rois)) == (label, boxes), query
query = gl.ask_ml(boxing, (folder / "wide.png").read_bytes())
(roi,) = query.rois
shown = roi.geometry
sides = [round(value, 2) for value in (shown.left, shown.top, shown.right, shown.bottom, shown.x, shown.y)]
assert sides == [0.5, 0.5, 0.75, 1.0, 0.62, 0.75], sides
assert roi.label == "cell"
drawn = gl.create_roi("cell", (0.1, 0.2), (0.3, 0.4))
gl.add_label(query, "BOUNDING_BOX", rois=[drawn])
(labelled,) = gl.get_image_query(query.id).rois
assert (labelled.geometry.left, labelled.geometry.bottom) == (0.1, 0.4), labelled

reading = gl.create_text_recognition_detector(name="plates", query="What does it say?", pipeline_config="plates")
assert (reading.mode, reading.mode_configuration) == ("TEXT", {"value_max_length": 250})
query = gl.ask_ml(reading, (folder / "text.png").read_bytes())
assert (query.result.text, query.result.truncated, query.text) == ("AB12", False, "AB12"), query
gl.add_label(query, "AB21")
assert gl.get_image_query(query.id).result.text == "AB21"

several = gl.create_multiclass_detector(
    name="greys", query="How light?", class_names=["dark", "bright"], pipeline_config="greys"
)
query = gl.ask_ml(several, (folder / "none.png").read_bytes())
assert (query.result.label, query.result.result_type.value) == ("dark", "multi_classification"), query
gl.add_label(query, 1)
assert gl.get_image_query(query.id).result.label == "bright"

nothing = (folder / "none.png").read_bytes()
for detector, shown_as in (
    (gl.create_binary_detector(name="constant", query="?", pipeline_config="never-review"), "label"),
    (
        gl.create_counting_detector(name="constant c", query="?", class_name="x", pipeline_config="never-review"),
        "count",
    ),
    (
        gl.create_multiclass_detector(
            name="constant m", query="?", class_names=["a", "b"], pipeline_config="never-review-multi"
        ),
        "label",
    ),
    (gl.create_text_recognition_detector(name="constant t", query="?", pipeline_config="constant-text-pred"), "text"),
):
    query = gl.ask_ml(detector, nothing)
    assert query.result.confidence == 1.0, query
    assert getattr(query.result, shown_as) is not None, query
