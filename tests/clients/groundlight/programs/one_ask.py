"""One synchronous question."""

import sys
from pathlib import Path

from groundlight import Groundlight

gl = Groundlight()
detector = gl.get_or_create_detector(name="door of one ask", query="Is the door open?")
assert gl.ask_ml(detector, Path(sys.argv[1]).read_bytes()).result.label == "YES"
