"""Cancelling with pyaurorax 1.27.0: before the work, in the middle of it, and after it."""

import datetime
import sys
from typing import Any

import pyaurorax

aurorax = pyaurorax.PyAuroraX(api_base_url=sys.argv[1])
start, end = datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 4, 23, 59, 59)
ground, space = [{"programs": ["themis-asi"]}], [{"programs": ["swarm"]}]


def asked(first: datetime.datetime, last: datetime.datetime) -> Any:
    """Ask, and come back at once."""
    return aurorax.search.conjunctions.search(first, last, 500, ground=ground, space=space, return_immediately=True)


def is_cancelled(search: Any) -> None:
    """See what the client sees of a search that was cancelled."""
    search.wait(poll_interval=0.1)
    search.update_status()
    assert search.status["search_result"]["error_condition"] is True, search.status
    assert search.logs[-1]["summary"] == "the search was cancelled", search.logs
    try:
        search.get_data()
    except pyaurorax.AuroraXError:
        return
    raise AssertionError("a cancelled search has data")


waiting = asked(start, end)
assert waiting.cancel() == 0
running = asked(datetime.datetime(2015, 1, 1), datetime.datetime(2024, 12, 31))
while True:
    running.update_status()
    if "parts are done" in running.logs[-1]["summary"]:
        break
assert running.completed is False
assert running.cancel(wait=True, poll_interval=0.1) == 0
complete = asked(start, end)
complete.wait(poll_interval=0.1)
assert complete.cancel(wait=True, poll_interval=0.1) == 0
complete.get_data()
assert complete.data, complete.status
if waiting.check_for_data() and not waiting.status["search_result"]["error_condition"]:
    waiting.get_data()  # it was faster than we were
    assert len(waiting.data) == len(complete.data)
else:
    is_cancelled(waiting)
is_cancelled(running)
