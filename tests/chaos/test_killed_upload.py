"""An upload whose process is killed leaves whole days, and sent again it is complete."""

import json
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from tests.support.server import Server, serving
from tests.support.until import until

pytestmark = [pytest.mark.timeout(240), pytest.mark.drill]

DAYS = 60
SOURCE = {"program": "p", "platform": "q", "instrument_type": "r"}
PATH = "/api/v1/data_sources/1/ephemeris"
SPAN = {"start": "2020-01-01", "end": "2020-12-31"}


def _body() -> bytes:
    first = datetime(2020, 1, 1)  # noqa: DTZ001 - only its text is used
    epochs = (first + timedelta(minutes=minute) for minute in range(DAYS * 1440))
    return json.dumps([{**SOURCE, "epoch": f"{epoch:%Y-%m-%dT%H:%M}"} for epoch in epochs]).encode()


def _counts(server: Server) -> set[int]:
    rows = httpx2.get(f"{server.url}/api/v1/availability/ephemeris", params=SPAN, trust_env=False, timeout=60).json()
    return set(rows[0]["available_ephemeris"].values()) if rows else set()


async def test_an_upload_that_was_cut_is_completed_by_sending_it_again(tmp_path: Path) -> None:
    body = _body()

    def send(server: Server) -> None:
        with suppress(httpx2.TransportError):
            httpx2.post(server.url + PATH, content=body, trust_env=False, timeout=60)

    with serving(tmp_path) as dying:
        source = SOURCE | {"source_type": "leo", "display_name": "x"}
        assert httpx2.post(f"{dying.url}/api/v1/data_sources", json=source, trust_env=False).status_code == 200
        sending = threading.Thread(target=send, args=(dying,))
        sending.start()
        await until(lambda: _counts(dying) != set(), timeout_s=60)
        dying.kill()
        sending.join()
    with serving(tmp_path) as again:
        assert _counts(again) == {1440}
        stored = httpx2.post(again.url + PATH, content=body, trust_env=False, timeout=60)
        assert stored.json() == {"stored": DAYS * 1440}
        stats = httpx2.get(f"{again.url}/api/v1/data_sources/1/stats", trust_env=False).json()
        assert stats["ephemeris_count"] == DAYS * 1440
