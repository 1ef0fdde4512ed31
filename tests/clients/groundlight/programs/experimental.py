"""The rest of Groundlight and ExperimentalApi: what is served, and what says that it is not."""

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests
from groundlight import ApiException, Detector, ExperimentalApi, NotFoundError
from groundlight.edge.config import EdgeEndpointConfig
from PIL import Image

image = Path(sys.argv[1]).read_bytes()
gl = ExperimentalApi()
detector: Detector = gl.create_detector(name="door of the rest", query="Is it open?", pipeline_config="door")

yard = gl.create_detector_group("yard")
assert gl.create_detector_group("yard").id == yard.id
gl.create_detector(name="in a group by itself", query="?", group_name="made on the fly")
names = [group.name for group in gl.list_detector_groups()]
assert {"default", "yard", "made on the fly"} <= set(names), names
assert len(names) == len(set(names))

gl.update_detector_name(detector, "door of all the rest")
assert gl.get_detector(detector.id).name == "door of all the rest"

gl.create_note(detector, "The left door is a fake.", is_pinned=True)
gl.create_note(detector, "Ask Kim.")
notes = gl.get_notes(detector)
assert [(note.content, note.is_pinned) for note in notes.customer] == [
    ("Ask Kim.", False),
    ("The left door is a fake.", True),
], notes
assert notes.gl == []

before = gl.get_month_to_date_usage()
queries = [gl.ask_ml(detector, image) for _ in range(3)]
gl.add_label(queries[0], "NO")
after = gl.get_month_to_date_usage()
assert after.iqs >= before.iqs + 3
assert (after.iqs_limit, after.escalations) == (None, 0)
assert after.active_detectors >= 2

summary = gl.get_detector_metrics(detector)["summary"]
assert (summary["total_iqs"], summary["num_ground_truth"]) == (3, 1), summary
assert summary["class_counts"]["source_ml"] == {"YES": 2}, summary
assert gl.get_detector_evaluation(detector)["evaluation_results"] is None

(pipeline,) = gl.list_detector_pipelines(detector).results
assert (pipeline.pipeline_config, pipeline.is_active_pipeline, pipeline.is_enabled) == ("door", True, True)
(by_people,) = gl.list_detector_pipelines(gl.create_detector(name="by people alone", query="?")).results
assert (by_people.pipeline_config, by_people.model_binary_id) == ("people", None)

group = gl.create_priming_group(
    name="doors", source_ml_pipeline_id=pipeline.id, detector_mode="BINARY", canonical_query="Is it open?"
)
assert group.id.startswith("pg_")
assert gl.get_priming_group(group.id) == group
assert group in gl.list_priming_groups().results
primed = gl.create_detector(name="primed", query="?", priming_group_id=group.id)
assert gl.ask_ml(primed, image).result.label == "YES"
gl.delete_priming_group(group.id)
for gone in (group.id, "pg_" + "0" * 27):
    try:
        gl.get_priming_group(gone)
        raise AssertionError("a priming group that is not there was found")
    except NotFoundError:
        pass
try:
    gl.create_detector(name="primed by nothing", query="?", priming_group_id="pg_" + "0" * 27)
    raise AssertionError("an unknown priming group was taken")
except ApiException as error:
    assert error.status == 404, error
    assert "PrimingGroup" in error.body, error

assert gl.edge.get_upstream_endpoint().startswith("http://")
assert gl.edge.get_detector_readiness()[detector.id] is True
assert gl.edge.get_detector_readiness()[by_people.id.replace("people", "det")] is False
config = EdgeEndpointConfig()
config.global_config.refresh_rate = 30
assert gl.edge.set_config(config).global_config.refresh_rate == 30
assert gl.edge.get_config().global_config.refresh_rate == 30
gl.edge.wait_detectors([detector.id], timeout_sec=5)

assert gl.get_raw_headers()["x-api-token"].startswith("api_")
generic = gl.make_generic_api_request(endpoint=f"/v1/detectors/{detector.id}", method="GET")
assert json.loads(generic.data)["name"] == "door of all the rest", generic

gl.reset_detector(detector)
deadline = time.monotonic() + 10
while gl.list_image_queries(detector_id=detector.id).count and time.monotonic() < deadline:
    time.sleep(0.1)
assert gl.list_image_queries(detector_id=detector.id).count == 0
try:
    gl.get_image_query(queries[0].id)
    raise AssertionError("a query is there after the reset of its detector")
except ApiException as error:
    assert error.status == 410, error

picture = Image.open(io.BytesIO(image))
calls: dict[str, Callable[[], object]] = {
    "ask_vlm_verify": lambda: gl.ask_vlm_verify(picture, "Is it open?"),
    "generate_synthetic_image": lambda: gl.generate_synthetic_image(picture, "person"),
    "download_mlbinary": lambda: gl.download_mlbinary(detector, "/nowhere"),
    "create_note with an image": lambda: gl.create_note(detector, "See the picture.", image=picture),
}
for name, call in calls.items():
    try:
        call()
    except (ApiException, requests.HTTPError) as error:
        said = str(error.body if isinstance(error, ApiException) else getattr(error.response, "text", ""))
        assert '"code":"not_served"' in said, (name, said)
    else:
        raise AssertionError(f"{name} was served")
