"""SSCWeb's client against a server that answers in the form of its schema; the real one is not on this machine."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from sightline.ephemeris.checking import Checker
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.sscweb import stretches
from sightline.errors import Unavailable

MINUTE = 26_297_280
"""2020-01-01T00:00, counted from 1970."""
_SPAN = re.compile(r"<Start>(.*?)</Start><End>(.*?)</End>")
_HEAD = '<?xml version="1.0"?><Response xmlns="http://sscweb.gsfc.nasa.gov/schema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'


def _many(name: str, values: list[object]) -> str:
    return "".join(f"<{name}>{value}</{name}>" for value in values)


def answer(request: str) -> str:
    """Return an answer to a request for locations: a place that moves east, without a southern footprint at first."""
    match = _SPAN.search(request)
    assert match is not None, request
    if "<Id>nobody</Id>" in request:
        status = "<StatusCode>Error</StatusCode><StatusSubCode>InvalidSatellite</StatusSubCode>"
        return f'{_HEAD}<Result xsi:type="DataResult">{status}</Result></Response>'
    first, last = (datetime.fromisoformat(text) for text in match.groups())
    times = [first + timedelta(minutes=n) for n in range(int((last - first).total_seconds()) // 60 + 1)]
    count = len(times)
    lat, lon = [60.0] * count, [(350.0 + (time.timestamp() / 60 - MINUTE) / 10) % 360 for time in times]
    south: list[object] = [-1e31, *([-62.5] * (count - 1))]

    def place(system: str) -> str:
        angles = _many("Latitude", [*lat]) + _many("Longitude", [*lon])
        return f"<Coordinates><CoordinateSystem>{system}</CoordinateSystem>{angles}</Coordinates>"

    def trace(hemisphere: str, values: list[object]) -> str:
        angles = _many("Latitude", values) + _many("Longitude", [*lon])
        head = f"<CoordinateSystem>Geo</CoordinateSystem><Hemisphere>{hemisphere}</Hemisphere>"
        return f"<BTraceData>{head}{angles}</BTraceData>"

    data = (
        "<Id>swarma</Id>"
        + place("Geo")
        + place("Gsm")
        + _many("Time", [f"{time:%Y-%m-%dT%H:%M:%S}.000Z" for time in times])
        + trace("North", [70.0] * count)
        + trace("South", south)
        + _many("RadialLength", [6829.04] * count)
        + _many("SpacecraftRegion", ["DaysidePlasmasphere"] * count)
        + _many("NorthBTracedFootpointRegions", ["NorthMidLatitude"] * count)
        + _many("SouthBTracedFootpointRegions", ["NotApplicable"] * count)
    )
    status = "<StatusCode>Success</StatusCode><StatusSubCode>Success</StatusSubCode>"
    return f'{_HEAD}<Result xsi:type="DataResult">{status}<Data>{data}</Data></Result></Response>'


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = answer(request).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of such a server."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/WS/sscr/2/"
        server.shutdown()
        thread.join()


def test_positions_footprints_and_regions_come_day_by_day(endpoint: str) -> None:
    checker = Checker("sscweb:swarma")
    first, second = checker.checked(stretches("swarma", MINUTE, MINUTE + 1500, endpoint=endpoint))
    assert (len(first), len(second)) == (1440, 60)
    assert (first.minutes[0], second.minutes[-1]) == (MINUTE, MINUTE + 1499)
    assert first.places["location_geo"][0].tolist() == [60.0, -10.0]
    assert np.isnan(first.places["sbtrace"]).all(axis=1).tolist() == [True, *[False] * 1439]
    assert first.places["nbtrace"][5].tolist() == [70.0, -9.5]
    assert json.loads(first.texts[0]) == {
        "nbtrace_region": "north mid-latitude",
        "spacecraft_region": "dayside plasmasphere",
        "radial_distance": 6829.0,
    }


def test_what_sscweb_refuses_is_said_and_where_it_is_away_nothing_is_stored(endpoint: str) -> None:
    with pytest.raises(BadData, match=r"sscweb:nobody: SSCWeb refuses: InvalidSatellite"):
        list(stretches("nobody", MINUTE, MINUTE + 60, endpoint=endpoint))
    with pytest.raises(Unavailable, match="SSCWeb cannot be reached"):
        list(stretches("swarma", MINUTE, MINUTE + 60, endpoint="http://127.0.0.1:9/"))
