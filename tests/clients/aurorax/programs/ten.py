"""Ten searches at once, each asked before any is looked at."""

import datetime
import sys

import pyaurorax

aurorax = pyaurorax.PyAuroraX(api_base_url=sys.argv[1])
start, end = datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 4, 23, 59, 59)
ground, space = [{"programs": ["themis-asi"]}], [{"programs": ["swarm"]}]
asked = [
    aurorax.search.conjunctions.search(start, end, 500, ground=ground, space=space, return_immediately=True)
    for _ in range(10)
]
assert len({s.request_id for s in asked}) == 10
for s in asked:
    s.wait(poll_interval=0.1)
    s.get_data()
assert len({len(s.data) for s in asked}) == 1
assert asked[0].data
