"""The retrieving machine of the seed's program: it has IDs, here from standard input, and nothing else."""

import sys

from groundlight import Groundlight

gl = Groundlight()
for line in sys.stdin:
    image_query_id = line.strip()
    image_query = gl.get_image_query(id=image_query_id)
    if image_query.result.source == "STILL_PROCESSING":
        assert (image_query.result.label, image_query.result.confidence) == ("UNCLEAR", None)
    image_query = gl.wait_for_confident_result(image_query)
    if image_query.result.label == "YES":
        print("YES")
    elif image_query.result.label == "NO":
        print("NO")
    elif image_query.result.label == "UNCLEAR":
        print("UNCLEAR")
