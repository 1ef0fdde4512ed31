"""Searches of a running installation, as a client asks for them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from benchmarks.installation import Installation

_POLL_S = 0.005
_LONGEST_S = 300.0


class Calls:
    """Asks a platform for searches."""

    def __init__(self, opened: Installation, http: httpx2.Client) -> None:
        self._opened = opened
        self._http = http

    def ask(self, kind: str, query: Mapping[str, Any]) -> str:
        """Ask; return the path of the status."""
        path = f"/api/v1/{kind}/search"
        answer = self._http.post(self._opened.door("POST", path) + path, json=query)
        answer.raise_for_status()
        return httpx2.URL(answer.headers["location"]).path

    def status(self, path: str) -> dict[str, Any]:
        """Return the status document."""
        answer = self._http.get(self._opened.door("GET", path) + path)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def until(self, path: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the status once it is `done`.

        Raises:
            RuntimeError: that took too long, or the search failed.
        """
        deadline = time.monotonic() + _LONGEST_S
        while time.monotonic() < deadline:
            status = self.status(path)
            if status["search_result"]["error_condition"]:
                raise RuntimeError(f"the search failed: {status['logs'][-1]['summary']}")
            if done(status):
                return status
            time.sleep(_POLL_S)
        raise RuntimeError("the search did not end")

    def timed(self, kind: str, query: Mapping[str, Any]) -> tuple[float, str, int]:
        """Return how many seconds a search takes, the path of its status, and how many rows it found."""
        begin = time.perf_counter()
        path = self.ask(kind, query)
        asked = f"/v1/queries/{path.rpartition('/')[2]}"
        # Woken when it is there: polling would be a load of its own.
        answer = self._http.get(self._opened.door("GET", asked) + asked, params={"wait": 60})
        answer.raise_for_status()
        found = answer.json()
        if found["state"] != "answered":
            raise RuntimeError(f"the search is {found['state']}")
        return time.perf_counter() - begin, path, found["search"]["rows"]

    def stream(self, path: str) -> int:
        """Read the rows as they come; return how many bytes there were."""
        size = 0
        with self._http.stream("GET", self._opened.door("GET", f"{path}/data") + f"{path}/data") as answer:
            answer.raise_for_status()
            for chunk in answer.iter_raw():
                size += len(chunk)
        return size


def ended(status: Mapping[str, Any]) -> bool:
    """Say whether the client would stop to wait."""
    return status["search_result"]["data_uri"] is not None


def running(status: Mapping[str, Any]) -> bool:
    """Say whether some part is done."""
    return "parts are done" in status["logs"][-1]["summary"]


@contextmanager
def calling(opened: Installation) -> Iterator[Calls]:
    """Open connections to a platform."""
    with httpx2.Client(timeout=90, trust_env=False) as http:
        yield Calls(opened, http)
