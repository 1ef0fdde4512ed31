"""What the real Groundlight client waits for: `python -m benchmarks.groundlight PYTHON`.

PYTHON is the interpreter of an environment that has the client; `python -m tests.support.clients` makes and names some.
Prints milliseconds and round trips of single questions at low load, against the all-in-one with the model of the demo.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from benchmarks import layouts
from examples.door.demo import FOLDER, MANIFEST, MODEL

_PROGRAM = Path(__file__).parent / "programs" / "groundlight_delays.py"


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groundlight", description="Measure the real client.")
    parser.add_argument("python", help="an interpreter that has the package groundlight")
    parser.add_argument("--count", type=int, default=100, help="questions of each sort")
    given = parser.parse_args()
    with layouts.embedded() as opened, httpx2.Client(base_url=opened.origin("gateway"), trust_env=False) as http:
        files: dict[str, Any] = {
            "model": MODEL.read_bytes(),
            "manifest": (None, MANIFEST.read_text()),
            "name": (None, "door"),
        }
        http.post("/v1/models", files=files).raise_for_status()
        token = http.post("/v1/tokens", json={"name": "benchmark"}).raise_for_status().json()["token"]
        variables = {"GROUNDLIGHT_ENDPOINT": opened.origin("gateway"), "GROUNDLIGHT_API_TOKEN": token}
        command = [given.python, str(_PROGRAM), str(FOLDER / "open.jpg"), str(given.count)]
        return subprocess.run(command, env=os.environ | variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
