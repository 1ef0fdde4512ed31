"""A query that no model answers: the seed's wait ends with a person's label, given while it polls."""

import sys
from pathlib import Path

from groundlight import Groundlight

gl = Groundlight()
detector = gl.get_or_create_detector(name="gate without a model", query="Is the gate shut?")
image_query = gl.ask_async(detector=detector, image=Path(sys.argv[1]).read_bytes())
print(image_query.id, flush=True)
image_query = gl.wait_for_confident_result(image_query, timeout_sec=30)
assert image_query.result.label == "YES"
print("YES", image_query.result.confidence, image_query.result.source)
