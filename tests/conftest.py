"""What all tests share."""

import os

# Tests that import ONNX Runtime themselves report to nobody either; see docs/adr/0009-no-telemetry.md.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
