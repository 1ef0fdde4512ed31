"""The seed's program, with pyaurorax 0.8.0."""

import datetime
import sys
import time

import pyaurorax as aurorax

aurorax.api.set_base_url(sys.argv[1])

start = datetime.datetime(2020, 1, 1, 0, 0, 0)
end = datetime.datetime(2020, 1, 4, 23, 59, 59)
ground_params = [
    {
        "programs": ["themis-asi"],
        "platforms": ["fort smith", "gillam"],
        "instrument_types": ["panchromatic ASI"],
        "ephemeris_metadata_filters": [
            {"key": "ml_cloud_v1", "operator": "=", "values": ["not classified as cloud"]},
        ],
    }
]
space_params = [{"programs": ["swarm"], "instrument_types": ["footprint"]}]

s = aurorax.conjunctions.search_async(
    start=start, end=end, ground=ground_params, space=space_params, default_distance=300
)
while not s.check_for_data():
    time.sleep(1)
s.get_data()
assert s.data, s.status
assert s.data[0].max_distance <= 300, s.data[0]

waited = aurorax.conjunctions.search_async(
    start=start, end=end, ground=ground_params, space=space_params, default_distance=300
)
waited.wait(poll_interval=0.2)
waited.get_data()
assert len(waited.data) == len(s.data)
assert waited.cancel() == 1

e = aurorax.ephemeris.search_async(start, datetime.datetime(2020, 1, 1, 0, 9, 59), programs=["swarm"])
e.wait(poll_interval=0.2)
e.get_data()
assert len(e.data) == 10, e.status
d = aurorax.data_products.search_async(start, end, programs=["themis-asi"])
d.wait(poll_interval=0.2)
d.get_data()
assert len(d.data) == 8, d.status
