"""Every search form of pyaurorax 1.27.0, as its user writes them."""

import datetime
import sys

import pyaurorax

aurorax = pyaurorax.PyAuroraX(api_base_url=sys.argv[1])
start, end = datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 4, 23, 59, 59)
ground = [{"programs": ["themis-asi"], "platforms": ["gillam", "fort smith"]}]
space = [{"programs": ["swarm"]}]
search = aurorax.search.conjunctions.search

# Asked now, looked at later.
s = search(start, end, distance=500, ground=ground, space=space, return_immediately=True)
assert s.request_id.startswith("sr_"), s.request_id
while not s.check_for_data():
    pass
s.get_data()
assert s.data, s.status
first = s.data[0]
assert first.data_sources[0].platform in {"gillam", "fort smith"}, first
assert first.start <= first.closest_epoch <= first.end, first
assert 0 <= first.min_distance <= first.max_distance <= 500, first
assert all(event["e2_source"]["program"] == "swarm" for event in first.events), first.events
assert s.status["search_result"]["result_count"] == len(s.data)
assert s.logs[-1]["summary"] == f"the search is complete: {len(s.data)} results", s.logs

# From another place, by the ID alone.
status = aurorax.search.requests.get_status(s.request_url)
assert status["search_request"]["request_id"] == s.request_id, status
assert aurorax.search.requests.get_logs(s.request_url)

# Blocking.
blocking = search(start, end, distance=500, ground=ground, space=space, poll_interval=0.1)
assert len(blocking.data) == len(s.data)

# Objects in place of dictionaries, filters, a custom location, wait().
least = pyaurorax.search.MetadataFilterExpression("calgary_apa_ml_v1_confidence", 90, operator=">=")
blocks = [
    pyaurorax.search.GroundCriteriaBlock(
        programs=["themis-asi"], metadata_filters=pyaurorax.search.MetadataFilter(expressions=[least])
    )
]
near = [pyaurorax.search.SpaceCriteriaBlock(programs=["swarm"], hemisphere=["northern"])]
filtered = search(start, end, 500, ground=blocks, space=near, return_immediately=True)
filtered.wait(poll_interval=0.1)
filtered.get_data()
assert filtered.data, filtered.status
place = [pyaurorax.search.CustomLocationsCriteriaBlock(locations=[(56.376723, -94.643664)])]
custom = search(start, end, 500, space=space, custom_locations=place, poll_interval=0.1)
assert custom.data, custom.status
assert "ground1-space1=500 km" in s.describe(), s.describe()

# A response format.
wanted = {"start": True, "min_distance": True}
chosen = search(start, end, 500, ground=ground, space=space, response_format=wanted, poll_interval=0.1)
assert set(chosen.data[0]) == {"start", "min_distance"}, chosen.data[0]

# Ephemeris and data products.
e = aurorax.search.ephemeris.search(
    start, datetime.datetime(2020, 1, 1, 0, 9, 59), programs=["swarm"], return_immediately=True
)
e.wait(poll_interval=0.1)
e.get_data()
assert len(e.data) == 10, e.status
assert e.data[0].data_source.platform == "swarma", e.data[0]
assert e.data[0].epoch == start, e.data[0]
assert e.data[0].nbtrace.lat is not None, e.data[0]
d = aurorax.search.data_products.search(
    start, end, programs=["themis-asi"], data_product_types=["keogram"], poll_interval=0.1
)
assert len(d.data) == 8, d.status
assert d.data[0].url.startswith("https://data.example.org/"), d.data[0]

# Administration.
listed = [row["request_id"] for row in aurorax.search.requests.list(search_type="ephemeris")]
assert e.request_id in listed, listed
aurorax.search.requests.delete(e.request_id)
assert e.request_id not in [row["request_id"] for row in aurorax.search.requests.list(search_type="ephemeris")]
