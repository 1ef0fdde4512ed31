"""Prints locked requirements as another Python would take them: those whose markers hold there, without the markers.

    python infra/images/for_python.py VERSION FILE

pip downloads for another Python, but judges markers by the one that runs it.
"""

import re
import sys
from pathlib import Path

from pip._vendor.packaging.markers import Marker

_MARKER = re.compile(r"^(?P<pinned>[^\s;]+==[^\s;]+) ; (?P<marker>.*?)(?P<end> \\)?$")


def main(version: str, file: str) -> None:
    """Print them, hashes included."""
    environment = {"python_version": version, "python_full_version": f"{version}.0"}
    taken = True
    for line in Path(file).read_text().splitlines():
        if not line.startswith(" "):
            found = _MARKER.match(line)
            taken = found is None or Marker(found["marker"]).evaluate(environment)
            if found is not None:
                line = found["pinned"] + (found["end"] or "")  # noqa: PLW2901 - the same line, without its marker
        if taken:
            print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
