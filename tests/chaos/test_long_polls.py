"""Many readers wait at once, half of them go away without a word, then the others: nothing of them stays."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient

from infra.drill import task
from tests.support.server import Server, serving
from tests.support.until import until

_READERS = 2000
"""As many as may wait at once, by the default of SIGHTLINE_MAX_WAITERS."""
_USUAL_FILES = 1024
"""What most systems let a process open, until it asks for more."""
_SPARE_FILES = 20
_SPARE_CONNECTIONS = 10

pytestmark = pytest.mark.timeout(180)


async def test_readers_who_go_away_leave_nothing_behind(tmp_path: Path, mongodb_url: str) -> None:
    with _files(_USUAL_FILES), serving(tmp_path, arguments=["--store", mongodb_url]) as server, _files(None):
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            query_id = await _open_query(client)
            await _gauge(client)  # its connection is open before files are counted
            files, connections = _open_files(server), _connections(mongodb_url)
            writers = [await _wait_by_hand(server, query_id) for _ in range(_READERS)]
            await _expect_waiters(client, _READERS)
            refused = await client.get(f"/v1/queries/{query_id}", params={"wait": "60"})
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
            for writer in writers[::2]:
                writer.transport.abort()
            await _expect_waiters(client, _READERS // 2)
            for writer in writers[1::2]:
                writer.transport.abort()
            await _expect_waiters(client, 0)
            assert _open_files(server) <= files + _SPARE_FILES
            # Nobody who waits asks the store by himself.
            assert _connections(mongodb_url) <= connections + _SPARE_CONNECTIONS
            labelled = await client.post(f"/v1/queries/{query_id}/labels", json={"label": "YES"})
            assert (labelled.status_code, labelled.json()["label"]) == (201, "YES")


@contextmanager
def _files(soft: int | None) -> Iterator[None]:
    """Let this process, and what it starts, open so many files, or as many as the system allows."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard > 2 * _READERS, "the hard limit of open files (ulimit -Hn) is too low"
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft or hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def _connections(url: str) -> int:
    """How many connections were ever made to MongoDB, by whomever."""
    with MongoClient[dict[str, Any]](url) as client:
        made: int = client.admin.command("serverStatus")["connections"]["totalCreated"]
        return made


async def _open_query(client: httpx2.AsyncClient) -> str:
    made = await client.post("/v1/detectors", json={"name": "by eye", "query": "Does it look right?"})
    assert made.status_code == 201, made.text
    asked = await client.post(
        "/v1/image-queries",
        params={"detector": "by eye"},
        content=task.image(1)[0],
        headers={"Content-Type": "image/jpeg"},
    )
    assert asked.status_code == 202, asked.text
    query_id: str = asked.json()["id"]
    return query_id


async def _wait_by_hand(server: Server, query_id: str) -> asyncio.StreamWriter:
    """Send a request that waits for a minute, and do not read."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /v1/queries/{query_id}?wait=60 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await writer.drain()
    return writer


async def _expect_waiters(client: httpx2.AsyncClient, count: int) -> None:
    async def reached() -> bool:
        return await _gauge(client) == count

    await until(reached, timeout_s=60)


async def _gauge(client: httpx2.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("sightline_waiters "))


def _open_files(server: Server) -> int:
    return sum(1 for _ in Path(f"/proc/{server.process.pid}/fd").iterdir())
