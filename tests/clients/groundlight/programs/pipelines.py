"""Where a new detector's model comes from: pipeline_config names it, else the installation's default, else nobody."""

import sys
from pathlib import Path

from groundlight import ApiException, Groundlight

image = Path(sys.argv[1]).read_bytes()
gl = Groundlight()
for name, pipeline, answered in (
    ("by name of the model", "door", True),
    ("door by default", None, True),
    ("door with a pipeline of theirs", "generic-cached-timm-efficientnetv2s-knn", True),
    ("nobody's", None, False),
):
    detector = gl.create_detector(name=name, query="Is the door open?", pipeline_config=pipeline)
    result = gl.submit_image_query(detector, image, wait=0).result
    assert (result.source == "ALGORITHM") is answered, (name, result)
try:
    gl.create_multiclass_detector(name="other answers", query="?", class_names=["a", "b"], pipeline_config="door")
    raise AssertionError("a model with other answers was bound")
except ApiException as error:
    assert error.status == 422, error
    assert "labels" in error.body, error.body
