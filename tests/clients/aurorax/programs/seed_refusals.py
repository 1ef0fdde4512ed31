"""What pyaurorax 0.8.0 shows of what is wrong, and of what is cancelled."""

import datetime
import sys

import pyaurorax as aurorax

aurorax.api.set_base_url(sys.argv[1])
start, end = datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 4, 23, 59, 59)
ground, space = [{"programs": ["themis-asi"]}], [{"programs": ["swarm"]}]

# This version raises nothing for a 400; the answer is in `request`.
refused = aurorax.conjunctions.search_async(start=end, end=start, ground=ground, space=space, default_distance=300)
assert refused.request.status_code == 400, refused
assert refused.request_id == "", refused

s = aurorax.conjunctions.search_async(
    datetime.datetime(2015, 1, 1), datetime.datetime(2024, 12, 31), ground=ground, space=space, default_distance=300
)
assert s.cancel(wait=True, poll_interval=0.1) == 1
s.wait(poll_interval=0.1)
assert s.check_for_data() is True
assert s.status["search_result"]["error_condition"] is True, s.status
try:
    s.get_data()
except aurorax.AuroraXException:
    pass
else:
    raise AssertionError("a cancelled search has data")
try:
    aurorax.requests.get_status(f"{sys.argv[1]}/api/v1/conjunctions/requests/sr_{'0' * 27}")
except aurorax.AuroraXNotFoundException as error:
    assert "no request has this ID" in str(error) or "removed" in str(error), error
else:
    raise AssertionError("an unknown ID is found")
