"""Which tests stay together when several processes share the suite: those for which something is started once.

The mark `xdist_group` would say it too, but has no effect with pytest 9.2 (it changes an attribute that is gone).
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/chaos/test_crash_points.py",
    "tests/chaos/test_killed_searches.py",
    "tests/clients/aurorax/",
    "tests/clients/groundlight/",
    "tests/e2e/test_embedded.py",
    "tests/e2e/test_services.py",
    "tests/examples/door/test_door.py",
    "tests/infra/rabbitmq/test_users.py",
    "tests/services/kit/bus/test_rabbit_tls.py",
    "tests/services/kit/store/mongo/test_server.py",
    "tests/services/kit/store/mongo/test_tls.py",
    "tests/services/submitter/test_sources.py",
    "tests/sightline/command/test_dead.py",
    "tests/sightline/command/test_refusals.py",
    "tests/sightline/command/test_search.py",
)
"""Beginnings of test IDs: files with fixtures of the scope of their module, folders with fixtures of the session."""


class Spreading(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types of its schedulers
    """Gives each process one test after the other, or all of a place in `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)
