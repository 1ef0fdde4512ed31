"""The submitting machine of the seed's program. It saves IDs, here on standard output, and nothing else is shared."""

import sys
from pathlib import Path

from groundlight import Groundlight


class Database:
    """What the seed calls db."""

    def save(self, query_id: str) -> None:
        """Keep the ID for the other machine."""
        print(query_id, flush=True)


db = Database()
gl = Groundlight()
detector = gl.get_or_create_detector(name="your_detector_name", query="your_query")
for path in sys.argv[1:]:
    image = Path(path).read_bytes()
    image_query = gl.ask_async(detector=detector, image=image)
    assert image_query.result is None
    db.save(image_query.id)
