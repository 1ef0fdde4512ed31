"""The client repeats a call by itself when the server answers 5xx: it takes effect once."""

import sys
from pathlib import Path

from groundlight import Groundlight

gl = Groundlight()
detector = gl.create_detector(name="door whose making was not heard of", query="Is the door open?")
query = gl.ask_async(detector, Path(sys.argv[1]).read_bytes())
gl.wait_for_confident_result(query)
gl.add_label(query, "NO")
print(detector.id, query.id)
