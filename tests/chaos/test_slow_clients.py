"""Two hundred clients that send half a request and nothing more: others are answered, and the service still ends."""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from infra.drill import task
from tests.support.server import Server, serving

_SLOW = 200
_HEAD = "POST /v1/image-queries?detector=level HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
_HALVES = {
    "nothing": b"",
    "half a header": _HEAD.encode()[:40],
    "half a body": f"{_HEAD}Content-Length: 100000\r\n\r\n".encode() + bytes(500),
    "half a chunk": f"{_HEAD}Transfer-Encoding: chunked\r\n\r\nffff\r\n".encode() + bytes(500),
}

pytestmark = pytest.mark.timeout(120)


async def test_clients_that_stop_in_the_middle_keep_nobody_else_waiting(tmp_path: Path) -> None:
    with ExitStack() as sockets, serving(tmp_path) as server:
        async with httpx2.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client:
            parts = {"model": task.model(), "manifest": task.manifest().model_dump_json().encode(), "name": b"levels"}
            files = {name: (name if name == "model" else None, part) for name, part in parts.items()}
            made = await client.post("/v1/models", files=files)
            assert made.status_code == 201, made.text
            body = {"name": "level", "query": "?", "mode": "multiclass", "labels": task.LABELS, "model": "levels"}
            assert (await client.post("/v1/detectors", json=body)).status_code == 201
            for half in [*_HALVES.values()] * (_SLOW // len(_HALVES)):
                sockets.enter_context(_begin(server, half))
            for number in range(20):
                image, label = task.image(number)
                asked = await client.post("/v1/image-queries", params={"detector": "level"}, content=image)
                assert asked.status_code == 202, asked.text
                answer = await client.get(f"/v1/queries/{asked.json()['id']}", params={"wait": "30"})
                assert answer.json()["label"] == label
            assert len(await _queries(client)) == 20  # halves are nothing
        assert await asyncio.to_thread(server.stop) == 0


def _begin(server: Server, half: bytes) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(half)
    return connection


async def _queries(client: httpx2.AsyncClient) -> list[str]:
    return [each["id"] for each in (await client.get("/v1/queries", params={"limit": "100"})).json()["items"]]
