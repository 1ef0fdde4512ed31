"""What pyaurorax 1.27.0 says of what is wrong, and how what is cancelled ends."""

import datetime
import sys
from typing import Any

import pyaurorax

aurorax = pyaurorax.PyAuroraX(api_base_url=sys.argv[1])
start, end = datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 4, 23, 59, 59)
asked: dict[str, Any] = {
    "start": start,
    "end": end,
    "distance": 500,
    "space": [{"programs": ["swarm"]}],
    "ground": [{"programs": ["themis-asi"]}],
    "return_immediately": True,
}


def refused(text: str, **given: Any) -> None:
    """Ask, and find `text` in what the client says."""
    try:
        aurorax.search.conjunctions.search(**{**asked, **given})
    except pyaurorax.AuroraXAPIError as error:
        assert "API error code 400" in str(error), error
        assert text in str(error), error
    else:
        raise AssertionError(text)


refused("2 to 10 blocks", ground=[])
refused("end must not lie before start", start=end, end=start)
refused("no data source has", ground=[{"programs": ["nowhere"]}])
unknown = {"expressions": [{"key": "nothing", "operator": "=", "values": ["1"]}]}
refused("'nothing'", ground=[{"programs": ["themis-asi"], "ephemeris_metadata_filters": unknown}])

s = aurorax.search.conjunctions.search(**asked)
assert s.cancel(wait=True, poll_interval=0.1) == 0
assert s.check_for_data() is True
try:
    aurorax.search.requests.get_status(aurorax.api_base_url + "/api/v1/conjunctions/requests/sr_" + "0" * 27)
except pyaurorax.AuroraXAPIError as error:
    assert "API error code 404" in str(error), error
else:
    raise AssertionError("an unknown ID is found")
