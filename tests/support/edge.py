"""One origin in front of separate services, by the table of routes, as an edge proxy makes it; and its faults."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2
import uvicorn
from fastapi import FastAPI, Request, Response

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})
Door = Callable[[str, str], str]
"""Returns the origin that serves a method and path."""


@dataclass(slots=True)
class Edge:
    """A running proxy. The answers of so many POSTs to the paths in `lose` are swallowed and become 503."""

    url: str
    lose: dict[str, int] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""


@contextmanager
def edge(door: Door) -> Iterator[Edge]:
    """Serve the proxy on a free port of the loopback, in a thread."""
    running = Edge("")
    config = uvicorn.Config(
        _create(door, running), host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server._serve()), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive() or server.started
    running.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield running
    finally:
        server.should_exit = True
        thread.join(10)


def _create(door: Door, running: Edge) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def forward(request: Request) -> Response:
        path = request.url.path
        running.seen.append((request.method, path))
        body = await request.body()
        target = door(request.method, path) + path
        headers = [(name, value) for name, value in request.headers.items() if name not in _HOP]
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await client.request(
                request.method, target, params=request.url.query, content=body, headers=headers
            )
        if request.method == "POST" and running.lose.get(path, 0) > 0:
            running.lose[path] -= 1
            return Response("the answer was lost", status_code=503)
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
        return Response(answer.content, status_code=answer.status_code, headers=kept)

    return app
