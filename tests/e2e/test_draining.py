"""SIGTERM whenever it comes: the process ends in time with status 0, and nothing is rejected or lost."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import httpx2
import pytest

from infra.drill import task as levels
from infra.drill.proxy import Proxy, proxying
from tests.support.rabbit import memory_alarm
from tests.support.server import Server, serving
from tests.support.until import until

pytestmark = pytest.mark.timeout(180)

DRAIN_S = 3
QUERIES = 24
Moment = Literal["twice", "while the bus is away", "while the bus takes nothing"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)


@asynccontextmanager
async def platform(data: Path, bus: str) -> AsyncIterator[Server]:
    """The platform on RabbitMQ, in a process of its own; what waits for it waits in a thread."""
    with ExitStack() as stack:
        running = serving(data, arguments=["--bus", bus], environment={"SIGHTLINE_DRAIN_S": str(DRAIN_S)})
        yield await asyncio.to_thread(stack.enter_context, running)
        await asyncio.to_thread(stack.close)


async def prepare(client: httpx2.AsyncClient) -> None:
    manifest = levels.manifest().model_dump_json()
    files: Any = {"model": ("levels.onnx", levels.model()), "manifest": (None, manifest), "name": (None, "levels")}
    assert (await client.post("/v1/models", files=files)).status_code == 201
    body = {"name": "level", "query": "?", "mode": "multiclass", "labels": levels.LABELS, "model": "levels"}
    assert (await client.post("/v1/detectors", json=body)).status_code == 201


async def submit(client: httpx2.AsyncClient, number: int) -> tuple[str, str]:
    image, label = levels.image(number)
    headers = {"content-type": "image/jpeg"}
    answer = await client.post("/v1/image-queries", params={"detector": "level"}, content=image, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"], label


async def end(server: Server, proxy: Proxy, client: httpx2.AsyncClient, moment: Moment) -> int:
    """End the process at that moment; return its exit status."""
    with ExitStack() as stack:
        if moment == "while the bus takes nothing":
            await asyncio.to_thread(stack.enter_context, memory_alarm())
        if moment == "while the bus is away":
            proxy.refuse(on=True)
            proxy.cut()
            await until(lambda: _is_unready(client))
        server.process.send_signal(signal.SIGTERM)
        if moment == "twice":
            server.process.send_signal(signal.SIGTERM)
        began_s = time.monotonic()
        status = await asyncio.to_thread(server.process.wait, 60)
        assert time.monotonic() - began_s < DRAIN_S + 25
    proxy.refuse(on=False)
    return status


async def _is_unready(client: httpx2.AsyncClient) -> bool:
    return not await _is_ready(client)


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def test_sigterm_ends_the_process_in_time_and_loses_nothing(amqp_url: str, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []
    async with proxying(amqp_url) as proxy:
        for turn, moment in enumerate((*MOMENTS, None)):
            async with (
                platform(tmp_path, proxy.url(amqp_url)) as server,
                httpx2.AsyncClient(base_url=server.url, timeout=60) as client,
            ):
                if turn == 0:
                    await prepare(client)
                for query_id, label in asked:
                    query = (await client.get(f"/v1/queries/{query_id}", params={"wait": 30})).json()
                    assert (query["label"], query["state"], query["error"]) == (label, "answered", None), moment
                await until(lambda: _is_ready(client))
                numbers = range(turn * QUERIES, (turn + 1) * QUERIES)
                asked = await asyncio.gather(*(submit(client, number) for number in numbers))
                if moment is not None:
                    assert await end(server, proxy, client, moment) == 0, moment
