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

site = {"programs": ["themis-asi"]}
for expression, text in (
    ({"key": "calgary_apa_ml_v1_confidence", "operator": "~", "values": ["1"]}, "operator"),
    ({"key": "calgary_apa_ml_v1_confidence", "operator": "between", "values": ["1"]}, "between takes 2 values"),
):
    refused(text, ground=[site | {"ephemeris_metadata_filters": {"expressions": [expression]}}])
refused("years 1950 to 2099", end=datetime.datetime(9999, 12, 31))
refused("max_distances", distance=-1)
refused("cannot be read", distance=float("nan"))
refused("cannot be read", ground=[{"programs": ["\ud800"]}])
refused("locations.0.lat", custom_locations=[{"locations": [{"lat": 91, "lon": 0}]}])
deep: dict[str, Any] = {}
for _ in range(40):
    deep = {"deeper": deep}
refused("nested deeper", ground=[site | deep])
try:
    aurorax.search.conjunctions.search(**{**asked, "space": [{"programs": ["swarm"]}] * 10})
except pyaurorax.AuroraXError:
    pass
else:
    raise AssertionError("eleven blocks")

# An ID that is unknown, and one of another tenant, look alike wherever they are used.
for request_id in ("sr_" + "0" * 27, sys.argv[2]):
    url = f"{aurorax.api_base_url}/api/v1/conjunctions/requests/{request_id}"
    for call in (aurorax.search.requests.get_status, aurorax.search.requests.get_data, aurorax.search.requests.cancel):
        try:
            call(url)
        except pyaurorax.AuroraXError as error:
            assert "404" in f"{error} {error.__cause__}", error
        else:
            raise AssertionError(request_id)
