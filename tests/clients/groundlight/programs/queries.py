"""Image queries: what is asked comes back, and what is answered is seen at once."""

import secrets
import string
import sys
import time
from pathlib import Path

from groundlight import ApiException, Groundlight, NotFoundError

opened, closed = (Path(path).read_bytes() for path in sys.argv[1:3])
gl = Groundlight()
detector = gl.get_or_create_detector(name="door of queries", query="Is the door open?")

query = gl.ask_ml(detector, closed)
assert (query.result.label, query.result.source) == ("NO", "ALGORITHM"), query
assert (query.result.result_type.value, query.result_type) == ("binary_classification", "binary_classification")
assert (query.query, query.detector_id, query.type) == (detector.query, detector.id, "image_query")
assert (query.metadata, query.rois, query.text) == (None, None, None)
assert gl.get_image_query(query.id) == query
confident = gl.ask_confident(detector, opened, confidence_threshold=0.8, wait=20)
assert (confident.result.label, confident.confidence_threshold, confident.patience_time) == ("YES", 0.8, 20)

metadata = {"camera": "Tor 3", "n": 1.5, "list": [None, {"deep": "ß"}], "": ""}
for given in (metadata, {}):
    sent = gl.submit_image_query(detector, opened, wait=0, metadata=given, inspection_id="i-1", human_review="NEVER")
    assert sent.metadata == given == gl.get_image_query(sent.id).metadata
    with gl.get_image(sent.id) as image:
        assert image.read() == opened

chosen = "iq_2" + "".join(secrets.choice(string.ascii_letters) for _ in range(26))
own = gl.submit_image_query(detector, opened, wait=0, image_query_id=chosen, metadata={"a": 1})
assert (own.id, own.metadata) == (chosen, {"a": 1, "is_from_edge": True})
assert gl.wait_for_confident_result(chosen).result.label == "YES"

asked = gl.ask_async(detector, opened, metadata={"later": True})
assert asked.result is None
assert asked.metadata == {"later": True}
assert gl.get_image_query(asked.id).result is not None
assert gl.wait_for_ml_result(asked).result.label == "YES"
gl.add_label(asked, "no")
labelled = gl.get_image_query(asked.id).result
assert (labelled.label, labelled.confidence, labelled.source) == ("NO", 1.0, "USER")
gl.add_label(asked.id, "UNCLEAR")
assert gl.get_image_query(asked.id).result.label == "UNCLEAR"
for wrong in ("MAYBE", "", "1"):
    try:
        gl.add_label(asked, wrong)
        raise AssertionError(f"the label {wrong!r} was taken")
    except ApiException as error:
        assert error.status == 422, error

listed = gl.list_image_queries(page=1, page_size=3, detector_id=detector.id)
assert (len(listed.results), listed.results[0].id) == (3, asked.id)
assert listed.count == 6, listed.count
assert str(listed.next).startswith("http://")
assert all(one.result is not None for one in listed.results)
assert [one.id for one in gl.list_image_queries(page=2, page_size=3, detector_id=detector.id).results][-1] == query.id

gl.update_detector_status(detector, enabled=False)
deadline = time.monotonic() + 10
while True:
    try:
        gl.ask_async(detector, opened)
        assert time.monotonic() < deadline, "a detector that is off takes queries"
    except ApiException as error:
        assert error.status == 409, error
        break
gl.update_detector_status(detector, enabled=True)
try:
    gl.get_image_query("iq_" + "0" * 27)
    raise AssertionError("an unknown query was found")
except ApiException as error:
    assert error.status == 404, error
gl.delete_detector(detector)
deadline = time.monotonic() + 10
while True:
    try:
        gl.get_image_query(query.id)
        assert time.monotonic() < deadline, "a query of a deleted detector is still shown"
    except ApiException as error:
        assert error.status == 404, error
        break
try:
    gl.submit_image_query("det_" + "0" * 27, opened, wait=0)
    raise AssertionError("an unknown detector was asked")
except (ApiException, NotFoundError) as error:
    assert getattr(error, "status", 404) == 404, error
