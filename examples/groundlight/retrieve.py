"""The retrieving machine, by the unmodified Groundlight client: it has the IDs and nothing else.

python retrieve.py < ids.txt
"""

import sys

from groundlight import Groundlight


def main() -> None:
    """Print each ID with its answer."""
    gl = Groundlight()
    for line in sys.stdin:
        image_query = gl.get_image_query(id=line.strip())
        image_query = gl.wait_for_confident_result(image_query)
        print(image_query.id, image_query.result.label.value, f"{image_query.result.confidence or 0:.3f}", flush=True)


if __name__ == "__main__":
    main()
